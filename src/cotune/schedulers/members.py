"""The members of a population, and who of them came to a step in what order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from cotune.errors import StudyError
from cotune.numerics.pareto import leading
from cotune.records import Arrival, History, JsonValue
from cotune.records.following import Follower
from cotune.schedulers.rungs import require_reported


@dataclass
class Generation:
    """Who came to a step. losses: (m,) by number; failed: who failed on the way."""

    step: int
    losses: dict[int, tuple[float, ...]] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    _ranks: dict[int, int] = field(default_factory=dict)

    @property
    def ranks(self) -> dict[int, int]:
        """Number -> rank, from 1; who has no loss comes behind the others, and who failed is the last."""
        if len(self._ranks) < len(self.losses) + len(self.failed):
            unsound = sorted(number for number in self.losses if not self._has_losses(number))
            self._ranks = {n: rank for rank, n in enumerate([*self._sound(), *unsound, *sorted(self.failed)], start=1)}
        return self._ranks

    def best(self, k: int) -> list[int]:
        """The first k, without those that have no loss."""
        return [number for number in list(self.ranks)[:k] if self._has_losses(number)]

    def worst(self, k: int) -> list[int]:
        """The last k, and all that failed; none of the first k."""
        n = len(self.ranks)
        return list(self.ranks)[max(k, n - max(k, len(self.failed))) :]

    def standing(self, number: int) -> dict[str, JsonValue]:
        """For a record: where one of them stands."""
        return {"rung": self.step, "rank": self.ranks[number], "of": len(self.ranks)}

    def _has_losses(self, number: int) -> bool:
        return number in self.losses and not any(map(math.isnan, self.losses[number]))

    def _sound(self) -> list[int]:
        """Those with losses, the best first; of several objectives the non-dominated."""
        numbers = sorted(filter(self._has_losses, self.losses))
        losses = [self.losses[number] for number in numbers]
        if numbers and len(losses[0]) > 1:
            return [numbers[at] for at in leading(np.array(losses), len(numbers))]
        return [number for _, number in sorted(zip(losses, numbers, strict=True))]


class Populations(Follower):
    """All populations of a study, of `size` proposed trials each; one trains after the other."""

    def __init__(self, history: History, size: int) -> None:
        super().__init__(history)
        self._size, self._n_entered, self._current, self._is_checked = size, 0, 0, False
        self._all: list[Members] = [Members(history, size)]
        self._of: dict[int, Members] = {}

    @property
    def current(self) -> Members:
        """The first that has not come to its end, or lacks members."""
        while self._all[self._current].are_over and not self._all[self._current].n_missing:
            self._all[self._current].at.clear()  # nobody will be compared with them any more
            self._current += 1
            if self._current == len(self._all):
                self._all.append(Members(self.history, self._size))
        return self._all[self._current]

    @property
    def replaced(self) -> dict[int, int]:
        """Who is paused and holds no place any more, by number, and who holds it now; also of those before."""
        holders = {number: self._of[number].holder(number) for number in sorted(self.history.paused)}
        return {number: holder for number, holder in holders.items() if holder != number}

    def catch_up(self) -> None:
        """Take in the trials that were proposed, enqueued or forked since, and who arrived."""
        for number in range(self._n_entered, len(self.history)):
            self._enter(number)
        self._n_entered = len(self.history)
        super().catch_up()

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""
        if not arrival.has_failed and not self._is_checked:
            _require_comparable(arrival, self.history)
            self._is_checked = True
        self._of[arrival.number].take(arrival)

    def _enter(self, number: int) -> None:
        if self.history.parent(number) is not None:
            loser = int(self.history.decision(number)["replaces"])
            self._of[number] = self._of[loser]
            self._of[number].replace(loser, number)
            return
        index = self.history.place(number) // self._size
        while len(self._all) <= index:
            self._all.append(Members(self.history, self._size))
        self._of[number] = self._all[index]
        self._of[number].join(number)


class Members:
    """One population.

    now: who holds each place. at: step -> who came to it, those that were replaced later included.
    """

    def __init__(self, history: History, size: int) -> None:
        self.history, self.size = history, size
        self.now: list[int] = []
        self.at: dict[int, Generation] = {}
        self._places: dict[int, int] = {}

    def join(self, number: int) -> None:
        """Take in one more."""
        self._places[number] = len(self.now)
        self.now.append(number)

    def replace(self, loser: int, number: int) -> None:
        """Have another one take the place of a member."""
        self._places[number] = self._places[loser]
        self.now[self._places[number]] = number

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""
        number, step, has_failed = arrival
        if has_failed:
            self._generation(self.history.until(number) or step).failed.append(number)
            return
        self._generation(step).losses[number] = self.history.losses(number, step)

    @property
    def n_missing(self) -> int:
        """How many places nobody has taken yet."""
        return self.size - len(self.now)

    @property
    def are_over(self) -> bool:
        """Whether all of them have come to their ends."""
        return all(self.history.state(number).is_final for number in self.now)

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def holder(self, number: int) -> int:
        """Who holds now the place that a trial holds or held."""
        return self.now[self._places[number]]

    def are_together(self, step: int) -> bool:
        """Whether all that are not at their ends came to a step, or beyond."""
        return all(self.history.state(number).is_final or self._came_to(step, number) for number in self.now)

    def _generation(self, step: int) -> Generation:
        return self.at.setdefault(step, Generation(step))

    def _came_to(self, step: int, number: int) -> bool:
        goal = self.history.until(number)
        if goal is None or not self.history.epoch(number):  # enqueued, and nobody has begun it
            return False
        return goal > step or (goal == step and number in self.history.paused)


def _require_comparable(arrival: Arrival, history: History) -> None:
    """Raise StudyError if trials report nothing to compare them by, or keep no state to be copied; the first tells."""
    require_reported(arrival, history)
    number, step, _ = arrival
    if history.checkpoint(number) is None and not history.has_finished(number, step):
        raise StudyError(
            f"scheduler='pbt' copies the states of the best trials, and trial {number} left none after {step} epochs. "
            "Name what it consists of in your function: trial.track(model=net, optimizer=optimizer)."
        )
