"""Which columns matter for coming among the best: how differently the best results are spread in each column.

Source: Watanabe, Bansal & Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", eq. 8 and 11, with all results as the outer set. A column that is inactive in some results gets only what
its values add to the fact that it is active, which is its parents' doing: the variance splits exactly in two there.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_NODES = 64
_NARROWEST = 0.03
_SHUFFLES = 32


def shares(units: Floats, losses: Floats, counts: Floats, generator: Generator, *, top: float = 0.1) -> Floats:
    """(d,) each column's share, adding up to 1, of what tells the best `top` of n results from all of them.

    units (n, d): positions in [0, 1], NaN where inactive. losses (n,). counts (d,): how many choices a column without
    order has, 0 for numbers. What as many results drawn at random would show is subtracted; all 0 if nothing is left.
    """
    n, n_top = len(losses), max(1, math.ceil(top * len(losses)))
    best = np.zeros((1 + _SHUFFLES, n))
    best[0, np.argsort(losses, kind="stable")[:n_top]] = 1.0
    for row in best[1:]:
        row[generator.permutation(n)[:n_top]] = 1.0
    found = np.stack([divergence(units[:, j], best, int(count)) for j, count in enumerate(counts)])
    beyond = np.maximum(found[:, 0] - found[:, 1:].mean(axis=1), 0.0)
    total = float(beyond.sum())
    return beyond / total if total > 0 else beyond


def divergence(units: Floats, best: Floats, count: int) -> Floats:
    """(s,) variances that one column explains of "among the best", for s sets best (s, n) of zeros and ones.

    With p the density of all values and q that of the best ones, where active: P(active | best)^2 / P(active) times
    the integral of (q / p - 1)^2 p, Pearson's divergence.
    """
    is_active = ~np.isnan(units)
    weights = best[:, is_active]
    if not is_active.any():
        return np.zeros(len(best))
    kernel = _choices(units[is_active], count) if count else _numbers(units[is_active], best[0].sum())
    among, everywhere = weights.sum(axis=1), kernel.mean(axis=0)
    inner = (torch.from_numpy(weights) @ torch.from_numpy(kernel)).numpy() / np.maximum(among, 1.0)[:, None]
    ratio = np.where(everywhere > 0, inner / np.maximum(everywhere, 1e-300) - 1.0, 0.0)
    pearson = (ratio**2 * everywhere).sum(axis=1) / everywhere.sum()
    found: Floats = pearson * (among / best.sum(axis=1)) ** 2 / is_active.mean()
    return found


def _choices(units: Floats, count: int) -> Floats:
    """(n, count) which choice each position is."""
    place = np.minimum((units * count).astype(np.int64), count - 1)
    chosen: Floats = np.eye(count)[place]
    return chosen


def _numbers(units: Floats, n_top: float) -> Floats:
    """(n, nodes) a normal around each position, cut to [0, 1] and as wide as the best ones need it (Scott 1992)."""
    width = max(_NARROWEST, float(units.std()) * n_top**-0.2)
    nodes = (np.arange(_NODES) + 0.5) / _NODES
    kernel = np.exp(-0.5 * ((nodes - units[:, None]) / width) ** 2)
    normal: Floats = kernel / kernel.sum(axis=1, keepdims=True)
    return normal
