"""A Gaussian process that is a sum of main effects and interactions: for looking into a function, not for searching.

Its kernel has one factor 1 + v_j k_j for every column, so that multiplied out it is the sum of a constant, one kernel
for every column, one for every pair, and so on: columns that matter together are told from columns that matter alone.
theta, in this order: (d,) log lengthscales, (d,) log weights v, log signal variance, log noise variance. Targets are
expected to be standardised.
Sources: Stitson et al. 1999 (ANOVA kernels); Durrande, Ginsbourger, Roustant & Carraro 2013, "ANOVA kernels and RKHS
of zero mean functions for model-based sensitivity analysis", section 2; Rasmussen & Williams 2006, chapter 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotune.numerics import lbfgs

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_LENGTHSCALE_MEAN, _LENGTHSCALE_SD2 = math.sqrt(2.0), 3.0
_WEIGHT_SD2 = 4.0
_SIGNAL_SD2 = 3.0
_NOISE_SHAPE, _NOISE_RATE = 1.1, 3.0
_LOW, _HIGH = (math.log(0.025), -12.0, -4.0, math.log(1e-6)), (math.log(100.0), 5.0, 6.0, 0.0)
_STARTS = ((0.0, -1.0, 0.0, -3.0), (-1.0, 0.0, 0.0, -5.0), (-1.0, 0.0, 0.0, -1.5), (0.0, -1.0, 0.0, -1.0))
"""Where a search may begin: long or short lengthscales, little or much noise. It begins at the likeliest of these."""
_INFEASIBLE = 1e10
_FAR, _SAME = 200.0, 1e-9


@dataclass(frozen=True, slots=True)
class Points:
    """n points of d columns. units (n, d): positions in [0, 1]. active (n, d): whether an entry counts.

    is_number (d,): whether neighbours are alike; otherwise two positions are the same choice or they are not.
    """

    units: Floats
    active: Booleans
    is_number: Booleans

    def rows(self, rows: NDArray[np.int64]) -> Points:
        """Some of them."""
        return Points(self.units[rows], self.active[rows], self.is_number)


def fit(points: Points, y: Floats, *, iterations: int = 35) -> Floats:
    """(2 d + 2,) the theta of highest posterior density that a search finds. y: (n,) standardised targets."""
    apart, targets = distances(points, points), torch.from_numpy(y)
    numbers = torch.from_numpy(points.is_number)
    low, high, *starts = (_spread(values, len(numbers)) for values in (_LOW, _HIGH, *_STARTS))

    def objective(theta: Floats) -> tuple[Floats, Floats]:
        value, gradient = negative_log_posterior(torch.from_numpy(theta[0]), apart, numbers, targets)
        return value.numpy()[None], gradient.numpy()[None]

    start = min(starts, key=lambda theta: float(objective(theta[None])[0][0]))
    theta, _ = lbfgs.minimize(
        objective, start[None], low, high, iterations=iterations, gradient_tolerance=0.1, value_tolerance=5e-4
    )
    found: Floats = theta[0]
    return found


def negative_log_posterior(theta: Tensor, apart: Tensor, numbers: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Minus log p(y | theta) p(theta) up to a constant, and its (2 d + 2,) gradient.

    apart (d, n, n): distances as `distances` gives them. numbers (d,): which columns are numbers. The constant mean is
    its generalised least squares estimate.
    """
    d, noise = len(numbers), theta[-1].exp()
    kernel, slope, by_weight = _with_slopes(theta, apart, numbers)
    noisy = kernel.clone()
    noisy.diagonal().add_(noise)
    factor, info = torch.linalg.cholesky_ex(noisy)
    inverse = torch.cholesky_inverse(factor)
    ones = inverse.sum(0)
    residual = y - (ones @ y) / ones.sum()
    alpha = inverse @ residual
    prior, prior_gradient = _negative_log_prior(theta, d)
    value = 0.5 * (residual @ alpha) + factor.diagonal().log().sum() + prior
    change = (alpha[:, None] * alpha).sub_(inverse).mul_(kernel).mul_(-0.5)
    gradient = torch.cat([
        torch.einsum("ab,jab->j", change, slope),
        torch.einsum("ab,jab->j", change, by_weight),
        change.sum()[None],
        -0.5 * noise * (alpha @ alpha - inverse.diagonal().sum())[None],
    ])  # fmt: skip
    is_sound = (info == 0) & torch.isfinite(value)
    return torch.where(is_sound, value, _INFEASIBLE), torch.nan_to_num(gradient + prior_gradient)


def plausible(theta: Floats, points: Points, n: int, generator: np.random.Generator) -> Floats:
    """(n, 2 d + 2) hyperparameters that the targets speak for nearly as much as for theta, which is the first row.

    Draws from the normal at theta whose precision is the expected (Fisher) information plus that of the prior; the
    constant mean is integrated out. Source: Rasmussen & Williams 2006, eq. 5.9, in expectation over y.
    """
    d = len(points.is_number)
    information = _information(torch.from_numpy(theta), points) + torch.diag(_prior_precision(torch.from_numpy(theta)))
    root = torch.linalg.cholesky(torch.linalg.inv(information)).numpy()
    drawn = theta + generator.standard_normal((n, len(theta))) @ root.T
    drawn[0] = theta
    return np.clip(drawn, _spread(_LOW, d), _spread(_HIGH, d))


def _information(theta: Tensor, points: Points) -> Tensor:
    n, noise = len(points.units), theta[-1].exp()
    numbers = torch.from_numpy(points.is_number)
    kernel, slope, by_weight = _with_slopes(theta, distances(points, points), numbers)
    white = noise * torch.eye(n, dtype=torch.float64)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel + white))
    ones = inverse.sum(0)
    precision = inverse - ones[:, None] * ones / ones.sum()
    changes = precision @ torch.cat([slope * kernel, by_weight * kernel, kernel[None], white[None]])
    return 0.5 * torch.einsum("aij,bji->ab", changes, changes)


def _with_slopes(theta: Tensor, apart: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n, n) covariances, and (d, n, n) the slopes of their logarithm by log lengthscales and by log weights."""
    d = len(numbers)
    weight = theta[d : 2 * d].exp()[:, None, None]
    alike, slope = _alike(apart, theta[:d], numbers)
    grown = (weight * alike).add_(1)
    kernel = (grown / (1 + weight)).prod(0).mul_(theta[2 * d].exp())
    shrunk = weight / grown
    return kernel, slope.mul_(shrunk), alike.mul_(shrunk).sub_(weight / (1 + weight))


@dataclass(frozen=True, slots=True)
class Posterior:
    """The process after it saw n targets at `points`.

    kernel, inverse (n, n): of the targets without noise, and the inverse of what it is with noise.
    """

    points: Points
    theta: Tensor
    noise: Tensor
    mean: Tensor
    alpha: Tensor
    kernel: Tensor
    inverse: Tensor

    def left_out(self) -> Floats:
        """(n,) how far each target lies from what the others predict for it, in closed form (5.12 in R & W)."""
        ones = self.inverse.sum(0)
        own = self.inverse.diagonal() - ones * ones / ones.sum()
        errors: Floats = (self.alpha / own).numpy()
        return errors


def condition(theta: Floats, points: Points, y: Floats) -> Posterior:
    """The posterior given standardised targets y (n,)."""
    parameters, targets = torch.from_numpy(theta), torch.from_numpy(y)
    kernel = covariance(parameters, points, points)
    white, noise = torch.eye(len(y), dtype=torch.float64), parameters[-1].exp()
    while True:
        factor, info = torch.linalg.cholesky_ex(kernel + noise * white)
        if int(info) == 0:
            break
        noise = 10 * noise
    inverse = torch.cholesky_inverse(factor)
    mean = (inverse.sum(0) @ targets) / inverse.sum()
    return Posterior(points, parameters, noise, mean, inverse @ (targets - mean), kernel, inverse)


def factors(theta: Tensor, points: Points, others: Points) -> Tensor:
    """(d, m, n) what each column contributes to the covariance of m points with n others; their product is it."""
    d = len(points.is_number)
    weight = theta[d : 2 * d].exp()[:, None, None]
    alike, _ = _alike(distances(points, others), theta[:d], torch.from_numpy(points.is_number), is_sloped=False)
    return alike.mul_(weight).add_(1).div_(1 + weight)


def covariance(theta: Tensor, points: Points, others: Points) -> Tensor:
    """(m, n) prior covariances of the values at m points with those at n others."""
    return factors(theta, points, others).prod(0).mul_(theta[-2].exp())


def distances(points: Points, others: Points) -> Tensor:
    """(d, m, n) in each column; infinite where it is inactive in either point, so that it has no effect there."""
    here, there = torch.from_numpy(points.units.T.copy()), torch.from_numpy(others.units.T.copy())
    apart = (here[:, :, None] - there[:, None, :]).abs_()
    if points.active.all() and others.active.all():
        return apart
    counts = torch.from_numpy(points.active.T[:, :, None] & others.active.T[:, None, :])
    return apart.masked_fill_(~counts, math.inf)


def _alike(apart: Tensor, log_scale: Tensor, numbers: Tensor, *, is_sloped: bool = True) -> tuple[Tensor, Tensor]:
    """(d, m, n) correlations: Matern-5/2 for numbers, 1 or 0 for choices; and their slopes by the log lengthscale."""
    a = (apart * (math.sqrt(5.0) * torch.exp(-log_scale))[:, None, None]).clamp_max_(_FAR)
    e = a.neg().exp_()
    alike = (a / 3).add_(1).mul_(a).add_(1).mul_(e)
    slope = (a + 1).mul_(a).mul_(a).mul_(e.div_(3)) if is_sloped else alike
    for j in torch.nonzero(~numbers)[:, 0].tolist():
        alike[j] = apart[j] < _SAME
        if is_sloped:
            slope[j] = 0.0
    return alike, slope


def _negative_log_prior(theta: Tensor, d: int) -> tuple[Tensor, Tensor]:
    precision, noise = _prior_precision(theta), theta[-1].exp()
    away = theta.clone()
    away[:d] -= _LENGTHSCALE_MEAN
    weighted = away * precision
    weighted[-1] = _NOISE_RATE * noise - (_NOISE_SHAPE - 1)
    normal = 0.5 * (away[:-1] @ weighted[:-1])
    return normal + _NOISE_RATE * noise - (_NOISE_SHAPE - 1) * theta[-1], weighted


def _prior_precision(theta: Tensor) -> Tensor:
    """(2 d + 2,) second derivatives of minus the log prior; for the noise, of which little may be known, at least 1."""
    d = len(theta) // 2 - 1
    fixed = [1 / _LENGTHSCALE_SD2] * d + [1 / _WEIGHT_SD2] * d + [1 / _SIGNAL_SD2]
    return torch.cat([torch.tensor(fixed, dtype=torch.float64), 1 + _NOISE_RATE * theta[-1:].exp()])


def _spread(values: tuple[float, float, float, float], d: int) -> Floats:
    scale, weight, signal, noise = values
    return np.array([scale] * d + [weight] * d + [signal, noise])
