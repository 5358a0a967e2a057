"""What chooses configurations."""

from __future__ import annotations

from typing import Protocol

from cotune.records import Draw, History, Suggestion


class Strategy(Protocol):
    """Chooses what to try, as a pure function of what is known.

    No clock, file or global generator. A strategy may keep one private cache; clearing it changes nothing. One that
    never looks at results may say so by an attribute `reads_results = False`: then all its trials may train at a time.
    One that learns from losses of trials that have steps left says `reads_milestones = True`: then they may be left
    early where nobody said otherwise.
    """

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """At most n suggestions; the i-th is for trial `len(history) + i` and sees the earlier ones as pending.

        So the first k of n suggestions are the k that would have been made alone. Fewer than n: the strategy has
        nothing more to propose.
        """


def reads_results(strategy: Strategy) -> bool:
    """Whether its suggestions may follow from results."""
    return bool(getattr(strategy, "reads_results", True))


def reads_milestones(strategy: Strategy) -> bool:
    """Whether it learns from losses of trials that have steps left."""
    return bool(getattr(strategy, "reads_milestones", False))
