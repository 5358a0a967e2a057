"""The results of a study as columns of numbers, ready for a surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotune.records import History, State

Floats = NDArray[np.float64]

_FENCE = 5.0
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Results:
    """n results of one objective, in the order of their trials' numbers.

    sign: value = sign * loss. numbers (n,): whose they are. units (n, d): positions in [0, 1], NaN where inactive.
    losses (n,): those far off are pulled in. n_far: how many these are. n_left: how many are of trials that were left
    before their end.
    """

    objective: str
    sign: float
    numbers: NDArray[np.int64]
    units: Floats
    losses: Floats
    n_far: int
    n_left: int

    def __len__(self) -> int:
        return len(self.losses)


def results(history: History, objective: str) -> Results:
    """All finite results; failed trials have none."""
    column = list(history.objectives).index(objective)
    losses = history.y[:, column]
    numbers = np.flatnonzero(np.isfinite(losses))
    units = history.space.positions.snapped(history.x[numbers])
    near = pulled_in(losses[numbers])
    left = sum(history.state(int(number)) is not State.DONE for number in numbers)
    n_far = int(np.count_nonzero(near != losses[numbers]))
    return Results(objective, -1.0 if history.objectives[objective] else 1.0, numbers, units, near, n_far, left)


def pulled_in(losses: Floats) -> Floats:
    """The losses; those that lie further outside the middle 80 % than five times its width are moved to there."""
    if not len(losses):
        return losses
    unit = np.abs(losses).max() or 1.0  # the span of two floats may overflow
    low, high = np.quantile(losses / unit, [0.1, 0.9])
    reach = _FENCE * (high - low)
    with np.errstate(over="ignore"):
        return np.clip(losses, (low - reach) * unit, (high + reach) * unit) if reach > 0 else losses


def are_alike(losses: Floats) -> bool:
    """Whether losses differ by no more than rounding."""
    unit = np.abs(losses).max(initial=0.0)
    return bool(unit == 0.0 or np.ptp(losses / unit) <= _ROUNDING)
