"""Starting points first, then another strategy."""

from __future__ import annotations

from dataclasses import dataclass

from cotune.records import Draw, History, Suggestion
from cotune.strategies.known import known
from cotune.strategies.strategy import Strategy, reads_milestones, reads_results


@dataclass(frozen=True)
class StartsFirst:
    """Proposes the space's starting points, in order, before `then` proposes anything."""

    then: Strategy

    @property
    def reads_results(self) -> bool:
        """As the other strategy does."""
        return reads_results(self.then)

    @property
    def reads_milestones(self) -> bool:
        """As the other strategy does."""
        return reads_milestones(self.then)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """Starting points that no trial has had, then what the other strategy suggests where those are pending."""
        starts = history.space.starts[_n_used(history) :][:n]
        first = [
            Suggestion(config, {"strategy": "start", "why": "a starting point", **known(history, i)})
            for i, config in enumerate(starts)
        ]
        if len(first) == n:
            return first
        return first + self.then.suggest(history.and_pending(first) if first else history, n - len(first), draw)


def _n_used(history: History) -> int:
    used, wanted = 0, len(history.space.starts)
    for number in range(len(history)):
        if used == wanted:
            break
        used += history.strategy(number) == "start"
    return used
