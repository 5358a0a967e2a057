"""Covariance matrix adaptation: a normal distribution that moves to where losses are low.

Equations and symbols are those of Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772v2, including the
negative weights. The separable form (Ros & Hansen 2008) adapts variances only; it is for many dimensions.
Only ranks of losses are used. Equal losses share their weights, so that they say nothing of a direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """Where to look: a normal distribution in n dimensions and the paths that its mean has taken.

    mean (n,), sigma: step size, covariance (n, n), or the variances (n,) in the separable form: a solution is
    normal with `mean` and `sigma**2 * covariance`. path_sigma, path_c (n,): evolution paths p_sigma and p_c.
    axes (n, n) and lengths (n,): B and the diagonal of D, covariance = B D^2 B^T (eq. 6); separable: no axes.
    """

    mean: Floats
    sigma: float
    covariance: Floats
    path_sigma: Floats
    path_c: Floats
    axes: Floats
    lengths: Floats
    generation: int = 0

    @property
    def is_separable(self) -> bool:
        """Whether only variances are adapted."""
        return self.covariance.ndim == 1

    @property
    def deviations(self) -> Floats:
        """(n,) standard deviations of a solution's entries."""
        return self.sigma * np.sqrt(self.covariance if self.is_separable else np.diagonal(self.covariance))

    def spread(self, z: Floats) -> Floats:
        """(k, n) standard normal vectors turned into steps y = B D z, normal with the covariance (eq. 39)."""
        scaled = z * self.lengths
        return scaled if self.is_separable else scaled @ self.axes.T

    def whitened(self, y: Floats) -> Floats:
        """(k, n) steps times C^(-1/2) = B D^-1 B^T (eq. 16)."""
        return y / self.lengths if self.is_separable else (y @ self.axes / self.lengths) @ self.axes.T


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Weights and learning rates for n dimensions and a population: Table 1 of the tutorial.

    weights (population,): best first; the positive ones sum to 1. mu_eff: variance effective selection mass of those.
    """

    weights: Floats
    mu_eff: float
    c_sigma: float
    d_sigma: float
    c_c: float
    c_1: float
    c_mu: float


def default_population(dimension: int) -> int:
    """lambda = 4 + floor(3 ln n) (eq. 48)."""
    return 4 + math.floor(3 * math.log(max(dimension, 1)))


@lru_cache(maxsize=64)
def rates(dimension: int, population: int, *, is_separable: bool = False) -> Rates:
    """Table 1 for n = dimension >= 1 and lambda = population >= 2; separable learns (n + 2) / 3 times faster."""
    n = dimension
    raw = math.log((population + 1) / 2) - np.log(np.arange(1, population + 1))  # eq. 49
    best, rest = raw[: population // 2], raw[population // 2 :]
    mu_eff = best.sum() ** 2 / (best**2).sum()
    mu_eff_minus = rest.sum() ** 2 / (rest**2).sum()
    c_sigma = (mu_eff + 2) / (n + mu_eff + 5)  # eq. 55
    d_sigma = 1 + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma
    c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)  # eq. 56
    faster = (n + 2) / 3 if is_separable else 1.0
    c_1 = min(1.0, faster * 2 / ((n + 1.3) ** 2 + mu_eff))  # eq. 57
    c_mu = min(1 - c_1, faster * 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))  # eq. 58
    alpha = min(  # eq. 50, 51 and 52
        1 + c_1 / c_mu if c_mu else math.inf,
        1 + 2 * mu_eff_minus / (mu_eff + 2),
        (1 - c_1 - c_mu) / (n * c_mu) if c_mu else math.inf,
    )
    weights = np.where(raw >= 0, raw / raw[raw > 0].sum(), alpha * raw / -raw[raw < 0].sum())  # eq. 53
    return Rates(weights, float(mu_eff), float(c_sigma), float(d_sigma), float(c_c), float(c_1), float(c_mu))


def begin(mean: Floats, deviations: Floats, *, is_separable: bool = False) -> Normal:
    """A distribution with this mean (n,) and standard deviations (n,) > 0, without correlations and without a past."""
    sigma = float(np.exp(np.log(deviations).mean())) if len(deviations) else 1.0
    variances = (deviations / sigma) ** 2
    zeros = np.zeros(len(mean))
    return _decomposed(mean, sigma, variances if is_separable else np.diag(variances), zeros, zeros, 0)


def ask(state: Normal, generator: Generator, count: int) -> Floats:
    """(count, n) independent solutions x = m + sigma y (eq. 38 to 40)."""
    return state.mean + state.sigma * state.spread(generator.standard_normal((count, len(state.mean))))


def tell(state: Normal, solutions: Floats, losses: Floats, *, active: Booleans | None = None) -> Normal:
    """The distribution after a generation: solutions (k, n), losses (k,), k >= 2, infinite for what failed.

    active (k, n): entries that had a part in the loss. The mean is moved by those only; the others should be
    random draws, or the mean, so that they say nothing of the covariance either.
    """
    n = len(state.mean)
    rate = rates(max(n, 1), len(losses), is_separable=state.is_separable)
    weights, pull = shared(rate.weights, losses), shared(np.maximum(rate.weights, 0.0), losses)
    y = (solutions - state.mean) / state.sigma
    shift = pull @ y  # eq. 41
    moved = shift if active is None else pull @ np.where(active, y, 0.0)
    generation = state.generation + 1
    path_sigma = (1 - rate.c_sigma) * state.path_sigma + math.sqrt(
        rate.c_sigma * (2 - rate.c_sigma) * rate.mu_eff
    ) * state.whitened(shift[None])[0]  # eq. 43
    length = float(np.linalg.norm(path_sigma)) / _expected_norm(n)
    sigma = state.sigma * math.exp(min(1.0, rate.c_sigma / rate.d_sigma * (length - 1)))  # eq. 44
    is_steady = length / math.sqrt(1 - (1 - rate.c_sigma) ** (2 * generation)) < 1.4 + 2 / (n + 1)
    path_c = (1 - rate.c_c) * state.path_c  # eq. 45
    if is_steady:
        path_c = path_c + math.sqrt(rate.c_c * (2 - rate.c_c) * rate.mu_eff) * shift
    covariance = _adapted(state, rate, weights, y, path_c, is_steady=is_steady)
    return _decomposed(state.mean + state.sigma * moved, sigma, covariance, path_sigma, path_c, generation)


def shared(weights: Floats, losses: Floats) -> Floats:
    """(k,) the weight of each loss's rank; equal losses get the mean of theirs."""
    order = np.argsort(losses, kind="stable")
    _, group, sizes = np.unique(losses[order], return_inverse=True, return_counts=True)
    result = np.empty(len(losses))
    result[order] = (np.bincount(group, weights) / sizes)[group]
    return result


def clipped(state: Normal, solutions: Floats) -> Floats:
    """Solutions (k, n) from elsewhere, drawn towards the mean so far that none is too long a step for the state.

    Source: Hansen, "Injecting External Solutions Into CMA-ES", arXiv:1110.4181, eq. 2 and its default c_y.
    """
    n = max(len(state.mean), 1)
    y = solutions - state.mean
    longest = math.sqrt(n) + 2 * n / (n + 2)
    lengths = np.linalg.norm(state.whitened(y), axis=1, keepdims=True) / state.sigma
    return state.mean + y * (longest / np.maximum(lengths, longest))


def reshaped(state: Normal, mean: Floats, factors: Floats) -> Normal:
    """The same with another mean (n,), and each entry's standard deviation multiplied by its factor (n,) > 0."""
    scale = factors**2 if state.is_separable else np.outer(factors, factors)
    return _decomposed(
        mean, state.sigma, state.covariance * scale, state.path_sigma, state.path_c * factors, state.generation
    )


def with_sigma(state: Normal, sigma: float) -> Normal:
    """The same with another step size."""
    return replace(state, sigma=sigma)


def _adapted(state: Normal, rate: Rates, weights: Floats, y: Floats, path_c: Floats, *, is_steady: bool) -> Floats:
    """The covariance, rank-one and rank-mu updated (eq. 46 and 47)."""
    n = len(state.mean)
    norms = (state.whitened(y) ** 2).sum(axis=1)
    scaled = np.where(weights >= 0, weights, weights * n / np.maximum(norms, 1e-16))
    stall = 0.0 if is_steady else rate.c_c * (2 - rate.c_c)
    kept = 1 + rate.c_1 * stall - rate.c_1 - rate.c_mu * weights.sum()
    if state.is_separable:
        return kept * state.covariance + rate.c_1 * path_c**2 + rate.c_mu * (scaled @ y**2)
    covariance = kept * state.covariance + rate.c_1 * np.outer(path_c, path_c) + rate.c_mu * (y.T * scaled) @ y
    return (covariance + covariance.T) / 2


def _decomposed(
    mean: Floats, sigma: float, covariance: Floats, path_sigma: Floats, path_c: Floats, generation: int
) -> Normal:
    """The state with its axes; eigenvalues are kept above a 1e-14th of the largest."""
    if covariance.ndim == 1:
        values, axes = covariance, np.empty((0, 0))
    else:
        values, axes = np.linalg.eigh(covariance)
    least = 1e-14 * max(float(values.max(initial=0.0)), 1e-300)
    if len(values) and values.min() < least:
        values = np.maximum(values, least)
        covariance = values if covariance.ndim == 1 else (axes * values) @ axes.T
    return Normal(mean, sigma, covariance, path_sigma, path_c, axes, np.sqrt(values), generation)


def _expected_norm(n: int) -> float:
    """Expected length of a standard normal vector (below eq. 44)."""
    return math.sqrt(max(n, 1)) * (1 - 1 / (4 * max(n, 1)) + 1 / (21 * max(n, 1) ** 2))
