"""The members of a population, and who of them came to a step in what order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

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


class Members(Follower):
    """The population that trains now; those before it have all come to their ends.

    now: who holds each place. at: step -> who came to it, those that were replaced later included.
    """

    def __init__(self, history: History, size: int) -> None:
        super().__init__(history)
        self.size, self.index = size, 0
        self.now: list[int] = []
        self.at: dict[int, Generation] = {}
        self._places: dict[int, int] = {}
        self._n_entered = 0

    def catch_up(self) -> None:
        """Take in the trials that began since, and who arrived."""
        for number in range(self._n_entered, len(self.history)):
            self._enter(number)
        self._n_entered = len(self.history)
        super().catch_up()

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival, if it is of this population."""
        number, step, has_failed = arrival
        if number not in self._places:
            return
        if has_failed:
            self._generation(self.history.until(number) or step).failed.append(number)
            return
        if not self.at:
            require_reported(arrival, self.history)
        self._generation(step).losses[number] = self.history.losses(number, step)

    @property
    def n_missing(self) -> int:
        """How many places nobody has taken yet."""
        return self.size - len(self.now)

    @property
    def are_over(self) -> bool:
        """Whether all of them have come to their ends."""
        return all(self.history.state(number).is_final for number in self.now)

    @property
    def replaced(self) -> list[int]:
        """Who is paused and holds no place any more, by number."""
        return sorted(number for number in self._places.keys() & self.history.paused if self.holder(number) != number)

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

    def _enter(self, number: int) -> None:
        if self.history.parent(number) is not None:
            place = self._places[int(self.history.decision(number)["replaces"])]
            self.now[place] = number
        else:
            index, place = divmod(self.history.place(number), self.size)
            if index > self.index:
                self.index, self.now, self.at, self._places = index, [], {}, {}
            self.now.append(number)
        self._places[number] = place
