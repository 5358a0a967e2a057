"""A margin for countable values: a normal distribution must go on trying the cells beside the one its mean lies in.

Source: Hamano, Saito, Nomura & Shirakawa, "CMA-ES with Margin", GECCO 2022, arXiv:2205.13482, section 4. What their
matrix A scales is scaled in the covariance here.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from cotune.numerics.cma import Floats, Normal, reshaped

_STANDARD = NormalDist()
_NARROWEST = 1e-9
"""Cells narrower than this are taken for continuous."""


def with_margin(state: Normal, lows: Floats, highs: Floats, probability: float) -> Normal:
    """The state after its mean and deviations are changed so that neighbouring cells keep a probability.

    lows, highs (n,): the ends of the cell of [0, 1] in which each entry of the mean lies; equal where the entry is
    continuous. probability: alpha, that an entry leaves the mean's cell; half of it to either side.
    """
    mean, deviations = state.mean.copy(), state.deviations
    wanted = deviations.copy()
    for j in np.flatnonzero(highs - lows > _NARROWEST):
        low, high = float(lows[j]), float(highs[j])
        if low > 0.0 and high < 1.0:
            mean[j], wanted[j] = _between(mean[j], deviations[j], low, high, probability)
        elif low > 0.0 or high < 1.0:
            mean[j] = _near(mean[j], deviations[j], high if high < 1.0 else low, probability)
    if np.array_equal(mean, state.mean) and np.array_equal(wanted, deviations):
        return state
    return reshaped(state, mean, wanted / deviations)


def _near(mean: float, deviation: float, border: float, probability: float) -> float:
    """A mean in the first or last cell, moved so near to the only border that it is crossed often enough (eq. 20)."""
    reach = -_STANDARD.inv_cdf(probability) * deviation
    return border + math.copysign(min(abs(mean - border), reach), mean - border)


def _between(mean: float, deviation: float, low: float, high: float, probability: float) -> tuple[float, float]:
    """Mean and deviation with at least half the probability on either side of a cell (eq. 22 to 26)."""
    half = probability / 2
    below, above = _STANDARD.cdf((low - mean) / deviation), _STANDARD.cdf((mean - high) / deviation)
    if min(below, above) >= half:
        return mean, deviation
    raised_below, raised_above, inside = max(half, below), max(half, above), 1 - below - above
    excess = (1 - raised_below - raised_above - inside) / (raised_below + inside + raised_above - 3 * half)
    below = raised_below + excess * (raised_below - half)
    above = raised_above + excess * (raised_above - half)
    left, right = -_STANDARD.inv_cdf(below), -_STANDARD.inv_cdf(above)  # distances to the ends, in deviations
    return (low * right + high * left) / (left + right), (high - low) / (left + right)
