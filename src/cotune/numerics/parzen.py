"""Parzen estimators: mixtures of product kernels over numbers in [0, 1] and choices without an order.

Every density is relative to the uniform one, so a flat factor is 1, whatever the number of choices. A column that a
point lacks has the factor 1, since its absence follows from columns that were weighed already; a kernel is flat in a
column that its observation lacks. So the mixture integrates to 1 over a space with conditions as well.
Sources: Bergstra et al. 2011, section 4; Falkner et al. 2018 (one kernel over all columns); Watanabe 2023 (bandwidths).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_NARROWEST = 0.01
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Parzen:
    """A mixture of n kernels over d columns: one per observation, and a flat one as the last.

    is_ordered (d,): numbers rather than choices. counts (d, 1): how many choices. centres (d, n): positions.
    sharpness (d, n): 1 / standard deviation of a normal cut to [0, 1]; 0 where flat, and for choices.
    peak (d, n): log density of a number at the centre; 0 where flat. stay (d, n): probability that a choice is kept,
    otherwise all are equally likely; 0 where flat, and for numbers. weights (n,): sum 1.
    """

    is_ordered: Booleans
    counts: Floats
    centres: Floats
    sharpness: Floats
    peak: Floats
    stay: Floats
    weights: Floats

    def sample(self, random: np.random.Generator, m: int) -> Floats:
        """(m, d) positions: a kernel drawn by weight, then every column from it. Takes m * (d + 1) numbers."""
        last = len(self.weights) - 1
        kernels = np.searchsorted(np.cumsum(self.weights), random.random(m), side="right").clip(max=last)
        uniform = random.random((len(self.centres), m))
        centres, sharpness, stay = self.centres[:, kernels], self.sharpness[:, kernels], self.stay[:, kernels]
        low, high = _normal_below(np.stack([-centres, 1.0 - centres]) * sharpness)
        away = _normal_quantile(low + uniform * (high - low))
        is_normal = sharpness > 0.0
        numbers = np.where(is_normal, centres + away / np.where(is_normal, sharpness, 1.0), uniform)
        choices = np.where(uniform < stay, centres, (uniform - stay) / (1.0 - stay))
        drawn: Floats = np.where(self.is_ordered[:, None], numbers, choices).clip(0.0, 1.0).T
        return drawn

    def log_density(self, points: Floats, active: Booleans) -> Floats:
        """(m,) logarithms of the density at points (m, d), where active (m, d) says which entries count; no NaN.

        A point of few values stands for all positions that snap to it: the density is taken where it lies.
        """
        at, counts = points.T[:, :, None], active.T[:, :, None].astype(np.float64)
        exponents = np.log(self.weights) + np.einsum("dm,dn->mn", counts[:, :, 0], self.peak)
        numbers, choices = np.flatnonzero(self.is_ordered), np.flatnonzero(~self.is_ordered)
        if len(numbers):
            z = at[numbers] - self.centres[numbers, None]
            z *= self.sharpness[numbers, None]
            z *= counts[numbers]
            exponents -= 0.5 * np.einsum("dmn,dmn->mn", z, z)
        if len(choices):
            n_values, stay = self.counts[choices, None], self.stay[choices, None]
            is_same = np.abs(at[choices] - self.centres[choices, None]) * n_values < 0.5
            exponents += np.sum(counts[choices] * np.log(1.0 - stay + np.where(is_same, stay * n_values, 0.0)), axis=0)
        top = exponents.max(axis=1)
        total: Floats = top + np.log(np.exp(exponents - top[:, None]).sum(axis=1))
        return total


def fitted(points: Floats, weights: Floats, *, counts: Floats, is_ordered: Booleans) -> Parzen:
    """The estimator of observations, beside a flat kernel of weight 1.

    points: (n, d) positions in [0, 1], NaN where inactive. weights: (n,), > 0. counts (d,): number of values of each
    column, infinite for a continuum. is_ordered (d,): whether neighbours are alike. A number's standard deviation is
    the distance to the farther of its two neighbours, a choice is kept with probability (n + 1) / (n + 1 + choices).
    """
    n, d = points.shape
    rows = np.vstack([points, np.full((1, d), np.nan)]).T
    is_active = ~np.isnan(rows)
    centres = np.where(is_active, rows, 0.5)
    column = is_ordered[:, None]
    is_normal = is_active & column
    narrowest = np.maximum(max(_NARROWEST, 1.0 / (n + 2)), 0.5 / counts)[:, None]
    sharpness = 1.0 / np.where(is_normal, np.clip(_to_neighbours(rows), narrowest, 1.0), 1.0)
    below, not_above = _normal_below(np.stack([-centres, 1.0 - centres]) * sharpness)
    peak = np.where(is_normal, np.log(sharpness / (not_above - below)) - _LOG_ROOT_2PI, 0.0)
    n_choices = np.where(is_ordered, 1.0, counts)[:, None]
    stay = np.where(is_active & ~column, (n + 1) / (n + 1 + n_choices), 0.0)
    shares = np.append(weights, 1.0)
    return Parzen(
        is_ordered, n_choices, centres, np.where(is_normal, sharpness, 0.0), peak, stay, shares / shares.sum()
    )


def _to_neighbours(rows: Floats) -> Floats:
    """(d, n) distance to the farther of the next values to both sides in the same row; of an only value, to 0 or 1.

    NaN for NaN. At the ends there is but one neighbour: the bounds count for nothing.
    """
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    none = np.full((len(rows), 1), np.nan)
    gaps = np.hstack([none, np.diff(ordered, axis=1), none])
    farther = np.fmax(gaps[:, :-1], gaps[:, 1:])
    is_alone = np.isnan(farther)
    farther[is_alone] = np.fmax(ordered, 1.0 - ordered)[is_alone]
    distances = np.empty_like(rows)
    np.put_along_axis(distances, order, farther, axis=1)
    return distances


def _normal_below(z: Floats) -> Floats:
    """The share of a standard normal that lies below z."""
    share: Floats = torch.special.ndtr(torch.from_numpy(np.ascontiguousarray(z))).numpy()
    return share


def _normal_quantile(share: Floats) -> Floats:
    """The z below which that share lies."""
    z: Floats = torch.special.ndtri(torch.from_numpy(np.ascontiguousarray(share))).numpy()
    return z
