"""Monotone transformations of losses that make them easier for a Gaussian process, and their inverses.

half_rank follows Vizier's output warping (Song et al. 2024, "The Vizier Gaussian Process Bandit Algorithm", section
4.2): how bad a bad result is hardly matters, and differences among the good ones are stretched mildly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotune.numerics.normal import quantile

Floats = NDArray[np.float64]

_FEW = 6
_STRETCH = 0.5
_OUTLIER = 5.0
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Warped:
    """values (n,): the warped, standardised losses. knots (2, k): warped and raw loss, both increasing."""

    values: Floats
    knots: Floats

    def raw(self, value: float) -> float:
        """The loss at a warped value, by interpolation between what was seen; straight on outside."""
        warped, raw = self.knots
        if len(warped) == 1:
            return float(raw[0] + (value - warped[0]))
        place = int(np.clip(np.searchsorted(warped, value) - 1, 0, len(warped) - 2))
        share = (value - warped[place]) / (warped[place + 1] - warped[place])
        return float(raw[place] + share * (raw[place + 1] - raw[place]))

    def slope(self, value: float) -> float:
        """Raw loss per unit of warped loss, just below a warped value; > 0."""
        warped, raw = self.knots
        if len(warped) == 1:
            return 1.0
        place = int(np.clip(np.searchsorted(warped, value) - 1, 0, len(warped) - 2))
        return float((raw[place + 1] - raw[place]) / (warped[place + 1] - warped[place]))


Warp = Callable[[Floats], Warped]


def clipped(losses: Floats) -> Warped:
    """Losses as they are, except that outliers far above the median are pulled in."""
    median, best = np.median(losses), losses.min()
    bound = median + _OUTLIER * (median - best)
    return _standardised(np.minimum(losses, bound) if bound > median else losses, losses)


def half_rank(losses: Floats) -> Warped:
    """Ranks for the worse half, with the spread of the better half; then a mild logarithm."""
    if len(losses) < _FEW:
        return clipped(losses)
    median = np.median(losses)
    good = losses[losses <= median]
    spread = np.sqrt(np.mean((good - median) ** 2)) or np.sqrt(np.mean((losses - median) ** 2))
    levels, place = np.unique(-losses, return_inverse=True)
    n_above = int(np.searchsorted(levels, -median))
    below = n_above + (0.5 if n_above < len(levels) and levels[n_above] == -median else 0.0)
    share = np.clip(0.5 * (place + 0.5) / max(below, 0.5), 1e-6, 0.4999999)
    ranked = np.where(losses > median, median - quantile(share) * spread, losses)
    width = ranked.max() - ranked.min()
    return _standardised(np.log1p(_STRETCH * (ranked - ranked.min()) / width) if width > 0 else ranked, losses)


def _standardised(warped: Floats, losses: Floats) -> Warped:
    centred = warped - warped.mean()
    spread = float(np.std(warped))
    is_flat = spread <= _ROUNDING * float(np.abs(warped).max())
    values = np.zeros_like(warped) if is_flat else centred / spread
    raw, first = np.unique(losses, return_index=True)
    known = values[first]
    rises = np.concatenate([[True], np.diff(np.maximum.accumulate(known)) > 0])
    return Warped(values, np.stack([known[rises], raw[rises]]))
