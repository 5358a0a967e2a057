"""The losses of a study as they came: of a trial that was trained in parts, one for every part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cotune.records import Arrival, History

Floats = NDArray[np.float64]

_APART = 1.5
"""Of steps closer than this factor only the last counts: a trial that pauses often is not heard more often."""


@dataclass
class Results:
    """Follows the arrivals of one history. are_partial: whether some losses are of trials that had steps left."""

    history: History
    are_partial: bool = False
    _known: dict[int, dict[int, tuple[float, ...]]] = field(default_factory=dict)
    _n_read: int = 0

    def catch_up(self) -> None:
        """Take in who arrived since."""
        for arrival in self.history.arrivals[self._n_read :]:
            self._take(arrival)
        self._n_read = len(self.history.arrivals)

    def columns(self) -> tuple[NDArray[np.int64], Floats]:
        """(k,) numbers of trials, in order, and (k, m) their losses, in the order of steps; NaN for a failed trial."""
        numbers = sorted(self._known)
        counts = [len(self._known[number]) for number in numbers]
        losses = [loss for number in numbers for loss in self._known[number].values()]
        shape = -1, len(self.history.objectives)
        return np.repeat(np.array(numbers, dtype=np.int64), counts), np.array(losses, dtype=np.float64).reshape(shape)

    def _take(self, arrival: Arrival) -> None:
        """A failed trial has its failure in place of all of its losses: what it promised it did not keep."""
        number, step, has_failed = arrival
        if has_failed:
            self._known[number] = {step: (math.nan,) * len(self.history.objectives)}
            return
        known = self._known.setdefault(number, {})
        before, last = [0, 0, *known][-2:]
        if before and last < _APART * before:
            del known[last]
        known[step] = self.history.losses(number, step)
        self.are_partial |= not self.history.has_finished(number, step)
