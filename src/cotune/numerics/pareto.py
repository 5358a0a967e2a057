"""Which of many losses are better when there are several objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def leading(losses: Floats, k: int) -> Indices:
    """The k rows of losses (n, m) that come first: by non-dominated rank, within a rank the least crowded first.

    Ties go to the earlier row. Its cost is of the order n * n * m. Source: Deb et al. 2002, sections III A and B.
    """
    dominates = _dominates(losses)
    n_above = dominates.sum(axis=0)
    chosen: list[int] = []
    while len(chosen) < min(k, len(losses)):
        front = np.flatnonzero(n_above == 0)
        n_above = n_above - dominates[front].sum(axis=0)
        n_above[front] = -1
        chosen += front[np.argsort(-_crowding(losses[front]), kind="stable")].tolist()
    return np.array(chosen[:k], dtype=np.intp)


def staircase(losses: Floats) -> Indices:
    """The rows of losses (n, 2) that no other dominates, by rising first loss; of equal ones the earliest."""
    order = np.lexsort((losses[:, 1], losses[:, 0]))
    second = losses[order, 1]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], second[:-1]]))
    return order[second < lowest]


def _dominates(losses: Floats) -> NDArray[np.bool_]:
    """(n, n) whether row i is nowhere above row j and somewhere below."""
    n, m = losses.shape
    nowhere_above, somewhere_below = np.ones((n, n), dtype=np.bool_), np.zeros((n, n), dtype=np.bool_)
    for objective in range(m):
        column = losses[:, objective]
        nowhere_above &= column[:, None] <= column
        somewhere_below |= column[:, None] < column
    return nowhere_above & somewhere_below


def _crowding(losses: Floats) -> Floats:
    """(n,) sum over the objectives of the gap between a row's neighbours, relative to the range; the ends infinite."""
    total = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        spread = ordered[-1] - ordered[0]
        total[order[1:-1]] += (ordered[2:] - ordered[:-2]) / (spread if spread > 0.0 else 1.0)
        total[order[0]] = total[order[-1]] = np.inf
    return total
