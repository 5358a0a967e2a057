"""How much two orders agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation of two columns (n,), in [-1, 1]; ties share their mean rank; NaN if one is constant.

    >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0])), 3)
    0.5
    """
    first, second = (ranks(column) - 0.5 * (len(column) - 1) for column in (a, b))
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / scale, -1.0, 1.0)) if scale > 0 else float("nan")


def ranks(values: Floats) -> Floats:
    """(n,) ranks from 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    found: Floats = (last - 0.5 * (counts - 1))[place]
    return found
