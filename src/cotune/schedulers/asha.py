"""Asynchronous successive halving: whoever is among the best of a rung goes on, without waiting for the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise

from cotune.records import Action, Draw, History, Resume, Start, Stop, Suggestion, whole_number
from cotune.records.following import followed
from cotune.schedulers.rungs import Ladder, promoted, rungs, standing
from cotune.schedulers.unfinished import unfinished, waiting

_FINAL = "nothing new to try, and none has come to its end: the best goes on"
_LEADER = "among the best of its rung"
_BEHIND = "not among the best of its rung"


@dataclass(frozen=True)
class ASHA:
    """Trials pause at rungs (Li et al. 2020, "A system for massively parallel hyperparameter tuning", algorithm 2).

    A paused trial goes on when it is among the best n / factor of the n that came to its rung, whatever the others do;
    else a new one begins. No more than n / factor + 1 go on from a rung in all: where a strategy learns, each new trial
    is among the best when it comes, and all of them would go on. Ties go to the earlier trial. NaN is the worst and
    never goes on; a trial that fails counts in the rung that it was heading for, and its place in the one before is
    given back; one that has fewer steps than the others counts there too. With several objectives the non-dominated go
    first. Trials of different steps are never compared. A trial that cannot pause, because it keeps no state to go on
    from, is judged when it comes to a rung (`judge`).

    factor: of how many one goes on, and by how much further. first: the lowest step of a rung.
    """

    factor: int = 3
    first: int = 1
    _cache: list[Ladder] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole_number("ASHA(factor=", self.factor, 2)
        whole_number("ASHA(first=", self.first, 1)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Resume what waits, then who earned it, from the highest rung down; free slots get new trials."""
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        steps = rungs(history.steps, self.first, self.factor)
        ladder, lowest = followed(self._cache, history, lambda: Ladder(history, steps)), steps[0]
        judged = [self._judged(number, history.step(number), ladder) for number in ladder.stateless]
        stops = [action for action in judged if isinstance(action, Stop)]
        actions = waiting(history, slots, lambda number: lowest)
        going_on = (action for action in judged if isinstance(action, Resume))
        actions += islice(chain(going_on, self._promotions(ladder, history)), slots - len(actions))
        if len(actions) < slots:
            actions += [Start(suggestion, lowest) for suggestion in suggest(slots - len(actions))]
        if not actions and not history.running:
            actions += self._last_resort(ladder, history)
        return [*stops, *actions]

    def judge(self, history: History, number: int, step: int) -> Resume | Stop:
        """What becomes of a trial that keeps no state and comes to a rung: it goes on at once, or it is stopped.

        It goes on if it is among the best n / factor, rounded up, of those that came so far, itself included: the first
        one does. One without a loss is stopped.
        """
        assert history.steps is not None, "without a last step there are no rungs"
        steps = rungs(history.steps, self.first, self.factor)
        return self._judged(number, step, followed(self._cache, history, lambda: Ladder(history, steps)))

    def _judged(self, number: int, step: int, ladder: Ladder) -> Resume | Stop:
        history = ladder.history
        level = next((level for level in ladder.levels if level[0].step == step), None)
        if level is None:
            return Resume(number, history.steps)
        rung, above = level
        losses = history.losses(number, step)
        if any(map(math.isnan, losses)):
            return Stop(number, {"why": "no loss at its rung", "rung": step})
        share = -(-rung.n_with(number) // self.factor)
        place = rung.place_of(number, losses, share, history)
        if place.rank > share:
            return Stop(number, standing(place, rung, _BEHIND))
        return promoted(place, rung, above, _LEADER)

    def outline(self, steps: int) -> str:
        """The rungs in words.

        >>> ASHA().outline(27)
        'rungs at 1, 3, 9, 27 epochs, one of 3 goes on'
        """
        places = ", ".join(map(str, rungs(steps, self.first, self.factor)))
        return f"rungs at {places} epochs, one of {self.factor} goes on"

    def share_of_steps(self, steps: int) -> float:
        """How much of its training a trial gets on average: one of `factor` is trained from a rung to the next.

        >>> round(ASHA().share_of_steps(27), 3)  # 1 + (3 - 1) / 3 + (9 - 3) / 9 + (27 - 9) / 27 of 27 epochs
        0.111
        """
        places = rungs(steps, self.first, self.factor)
        parts = (high - low for low, high in pairwise((0, *places)))
        return sum(part / self.factor**level for level, part in enumerate(parts)) / steps

    def _promotions(self, ladder: Ladder, history: History) -> Iterator[Resume]:
        for rung, above in reversed(ladder.levels):
            share = rung.n // self.factor
            places = (place for place in rung.leaders(share, history) if history.checkpoint(place.number) is not None)
            for place in islice(places, max(0, share + 1 - ladder.n_gone(rung))):
                yield promoted(place, rung, above, _LEADER)

    def _last_resort(self, ladder: Ladder, history: History) -> list[Action]:
        """A small search may end before one of its trials was among so many that it could go on."""
        if ladder.rungs[-1].losses:
            return []
        for rung, above in reversed(ladder.levels):
            for place in rung.leaders(len(rung.losses), history):
                return [promoted(place, rung, above, _FINAL)]
        return []
