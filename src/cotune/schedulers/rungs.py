"""Rungs: the steps at which trials are compared, each with those that came to it at the same step."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import NamedTuple

import numpy as np

from cotune.errors import StudyError
from cotune.numerics.pareto import leading
from cotune.records import Arrival, History, JsonValue, Resume
from cotune.records.following import Follower

WINDOW = 96
"""Of several objectives only so many trials of a rung are compared, the last that came: every pair costs."""


def rungs(last: int, first: int, factor: int) -> tuple[int, ...]:
    """The steps of rungs: `last`, a `factor` below it and so on, down to `first` at the lowest, rounded.

    >>> rungs(50, 1, 3), rungs(27, 1, 3), rungs(27, 3, 3), rungs(2, 3, 3)
    ((2, 6, 17, 50), (1, 3, 9, 27), (3, 9, 27), (2,))
    """
    steps, share = [last], 1
    while last >= first * share * factor:
        share *= factor
        steps.append(round(last / share))
    return tuple(reversed(steps))


class Key(NamedTuple):
    """By what trials of a rung are put in order: the lowest loss first, ties by number."""

    loss: float
    number: int


class Place(NamedTuple):
    """A trial among those of its rung. rank: from 1, of so many; threshold: the objective of the last that goes on."""

    number: int
    rank: int
    of: int
    threshold: float | None


@dataclass
class Rung:
    """Who came to a step, or to an end on the way to it.

    n: how many; n_failed: how many of these failed on the way. n_gone: how many stopped here and then came further.
    losses: (m,) of those that have one in every objective and did not fail later, by number, in the order in which they
    came. idle: those of them that stopped here; some may have gone on since.
    """

    step: int
    n: int = 0
    n_failed: int = 0
    n_gone: int = 0
    losses: dict[int, tuple[float, ...]] = field(default_factory=dict)
    idle: list[Key] = field(default_factory=list)
    _ranked: list[Key] = field(default_factory=list)
    _order: tuple[tuple[int, int, int], list[int]] | None = None

    def add(self, number: int, losses: tuple[float, ...], *, is_idle: bool) -> None:
        """A trial arrives. One without losses is the worst of all and never goes on."""
        self.n += 1
        if np.isnan(losses).any():
            return
        self.losses[number] = losses
        insort(self._ranked, Key(losses[0], number))
        if is_idle:
            insort(self.idle, Key(losses[0], number))

    def add_failed(self) -> None:
        """A trial failed on the way here."""
        self.n += 1
        self.n_failed += 1

    def add_short(self) -> None:
        """A trial came to its own end on the way here: it took its place, and is compared with nobody."""
        self.n += 1

    def give_back(self, number: int) -> None:
        """A trial that had gone on from here failed: another one may go in its place."""
        losses = self.losses.pop(number, None)
        if losses is not None:
            _drop(self._ranked, Key(losses[0], number))

    def leaders(self, k: int, history: History) -> Iterator[Place]:
        """Those of the k best that are paused here, the best first."""
        self._forget_gone(history)
        if k > 0 and self.idle:
            yield from self._best_of_one(k, history) if len(history.objectives) == 1 else self._best_of_many(k, history)

    def n_with(self, number: int) -> int:
        """How many there are if a trial is counted that comes now, or is among them."""
        return self.n + (number not in self.losses)

    def place_of(self, number: int, losses: tuple[float, ...], k: int, history: History) -> Place:
        """Where a trial with such losses would stand if it came now, and the k-th of them all then."""
        n = self.n_with(number)
        if len(losses) > 1:
            others = [other for other in islice(reversed(self.losses), WINDOW) if other != number]
            known = [self.losses[other] for other in reversed(others[: WINDOW - 1])]
            order = leading(np.array([*known, losses]), len(known) + 1).tolist()
            return Place(number, order.index(len(known)) + 1, n, None)
        among, own = [*self._ranked], Key(losses[0], number)
        if number not in self.losses:
            insort(among, own)
        rank = bisect_left(among, own) + 1
        return Place(number, rank, n, history.value_of(among[min(k, len(among)) - 1].loss))

    def _best_of_one(self, k: int, history: History) -> Iterator[Place]:
        threshold = history.value_of(self._ranked[min(k, len(self._ranked)) - 1].loss)
        for key in self.idle:
            rank = bisect_left(self._ranked, key) + 1
            if rank > k:
                return
            if self._is_here(key.number, history):
                yield Place(key.number, rank, self.n, threshold)

    def _best_of_many(self, k: int, history: History) -> Iterator[Place]:
        """Non-dominated first, within a rank the least crowded."""
        now = k, self.n, len(self.losses)
        if self._order is None or self._order[0] != now:
            numbers = list(islice(reversed(self.losses), WINDOW))[::-1]
            share = k if self.n <= WINDOW else k * WINDOW // self.n
            order = leading(np.array([self.losses[number] for number in numbers]), share)
            self._order = now, [numbers[place] for place in order]
        for rank, number in enumerate(self._order[1], start=1):
            if self._is_here(number, history):
                yield Place(number, rank, self.n, None)

    def _is_here(self, number: int, history: History) -> bool:
        return number in history.paused and history.step(number) == self.step

    def _forget_gone(self, history: History) -> None:
        """The best go on first, so those that went on are at the beginning."""
        while self.idle and not self._is_here(self.idle[0].number, history):
            self.idle.pop(0)


class Ladder(Follower):
    """The rungs of a study, or of some of its trials."""

    def __init__(self, history: History, steps: Sequence[int]) -> None:
        super().__init__(history)
        self.rungs = [Rung(step) for step in steps]
        self._at: dict[int, int] = {}
        self._stateless: set[int] = set()
        self._stopped_at: dict[int, Rung] = {}

    @property
    def levels(self) -> list[tuple[Rung, Rung]]:
        """Every rung with the one above it, from the lowest."""
        return list(pairwise(self.rungs))

    @property
    def stateless(self) -> list[int]:
        """Who is paused at a rung and has no state to go on from, by number."""
        self._stateless &= self.history.paused
        return sorted(self._stateless)

    def n_gone(self, rung: Rung) -> int:
        """How many that stopped at a rung went on from it; one whose going on failed has not."""
        on_the_way = chain(self.history.running, self.history.waiting)
        return rung.n_gone + sum(self._stopped_at.get(number) is rung for number in on_the_way)

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""
        number, at = arrival.number, self._at.get(arrival.number, -1)
        self._leave(arrival)
        if arrival.has_failed:
            if at >= 0:
                self.rungs[at].give_back(number)
            if at + 1 < len(self.rungs):
                self.rungs[at + 1].add_failed()
            return
        if not any(rung.n for rung in self.rungs):
            require_reported(arrival, self.history)
        self._climb(number, at, arrival.step)
        if self.history.checkpoint(number) is None:
            self._stateless.add(number)
        at = self._at[number]
        if at + 1 < len(self.rungs) and self.history.has_finished(number, arrival.step):
            self.rungs[at + 1].add_short()

    def _climb(self, number: int, at: int, step: int) -> None:
        """Enter a trial in the rungs above the one that it was at, up to a step."""
        while at + 1 < len(self.rungs) and self.rungs[at + 1].step <= step:
            at += 1
            rung = self.rungs[at]
            stops_here = rung.step == step
            rung.add(number, self.history.losses(number, rung.step), is_idle=stops_here)
            if stops_here:
                self._stopped_at[number] = rung
        self._at[number] = at

    def _leave(self, arrival: Arrival) -> None:
        """The rung where it stopped before has one more that went on, if it did not fail on the way."""
        self._stateless.discard(arrival.number)
        rung = self._stopped_at.pop(arrival.number, None)
        if rung is not None and not arrival.has_failed:
            rung.n_gone += 1


def require_reported(arrival: Arrival, history: History) -> None:
    """Raise StudyError if trials do not report what they are to be compared by; the first one tells."""
    number, step, _ = arrival
    if history.has_finished(number, step):
        return
    missing = [name for name in history.objectives if name not in history.reported(number, step)]
    if missing:
        raise StudyError(
            f"trials are compared by {missing[0]} after {step} epochs, and trial {number} did not report it. Call "
            f"trial.report({missing[0]}=...) in every epoch, or use scheduler='none'."
        )


def _drop(ordered: list[Key], key: Key) -> None:
    place = bisect_left(ordered, key)
    if place < len(ordered) and ordered[place] == key:
        del ordered[place]


def promoted(place: Place, rung: Rung, above: Rung, why: str) -> Resume:
    """The trial goes on to the rung above, and its record says why."""
    return Resume(place.number, above.step, {**standing(place, rung, why), "until": above.step})


def standing(place: Place, rung: Rung, why: str) -> dict[str, JsonValue]:
    """For a record: where a trial stands in its rung."""
    record: dict[str, JsonValue] = {"why": why, "rung": rung.step, "rank": place.rank, "of": place.of}
    return record if place.threshold is None else {**record, "threshold": place.threshold}
