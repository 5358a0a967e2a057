"""The losses of a study as they came: of a trial that was trained in parts, one for every part."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cotune.records import Arrival, History
from cotune.records.following import Follower

Floats = NDArray[np.float64]

_APART = 1.5
"""Of steps closer than this factor only the last counts: a trial that pauses often is not heard more often."""


class Results(Follower):
    """The results of one history. are_partial: whether some losses are of trials that had steps left.

    Rows stay in the order in which they came, and those that count no more are marked, so that reading on is cheap.
    """

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.are_partial = False
        self._places: dict[int, dict[int, int]] = {}  # trial -> step -> row, of the rows that count
        self._numbers = np.empty(64, dtype=np.int64)
        self._losses: Floats = np.empty((64, len(history.objectives)))
        self._errors: Floats = np.empty((64, len(history.objectives)))
        self._counts = np.zeros(64, dtype=np.bool_)
        self._n_rows = 0

    def columns(self) -> tuple[NDArray[np.int64], Floats, Floats]:
        """(k,) numbers of trials, in order, and (k, m) their losses, in the order of steps; NaN for a failed trial.

        Also (k, m) the losses' standard errors, NaN where they are not known.
        """
        rows = np.flatnonzero(self._counts)
        rows = rows[np.argsort(self._numbers[rows], kind="stable")]
        return self._numbers[rows], self._losses[rows], self._errors[rows]

    def take(self, arrival: Arrival) -> None:
        """A failed trial has its failure in place of all of its losses: what it promised it did not keep."""
        number, step, has_failed = arrival
        places = self._places.setdefault(number, {})
        if has_failed:
            self._counts[list(places.values())] = False
            places.clear()
            unknown = (math.nan,) * len(self.history.objectives)
            places[step] = self._add(number, unknown, unknown)
            return
        before, last = [0, 0, *places][-2:]
        if before and last < _APART * before:
            self._counts[places.pop(last)] = False
        places[step] = self._add(number, self.history.losses(number, step), self.history.errors(number, step))
        self.are_partial |= not self.history.has_finished(number, step)

    def _add(self, number: int, losses: tuple[float, ...], errors: tuple[float, ...]) -> int:
        row = self._n_rows
        if row == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, np.empty_like(self._numbers)])
            self._losses = np.concatenate([self._losses, np.empty_like(self._losses)])
            self._errors = np.concatenate([self._errors, np.empty_like(self._errors)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._numbers[row], self._losses[row], self._errors[row] = number, losses, errors
        self._counts[row] = True
        self._n_rows += 1
        return row
