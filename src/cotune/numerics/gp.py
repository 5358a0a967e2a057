"""An exact Gaussian process with a Matern-5/2 kernel, its hyperparameters found by maximum a posteriori.

Written directly in torch with analytic gradients: no n x n x d tensor, no autograd; arrays come in and go out. theta,
in this order: the log lengthscale of each group of columns, log signal variance, log noise variance. Targets are
expected to be standardised.
Sources: Rasmussen & Williams 2006 (chapters 2 and 5); lengthscale prior: Hvarfner, Hellsten & Nardi 2024 (eq. 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotune.numerics import lbfgs

Floats = NDArray[np.float64]

_LENGTHSCALE_SD2 = 3.0
_DEVIATION_SD2 = 0.25
_NOISE_SHAPE, _NOISE_RATE = 1.1, 30.0
_LOW_LENGTHSCALE, _HIGH_LENGTHSCALE = math.log(0.025), math.log(300.0)
_LOW_SIGNAL, _HIGH_SIGNAL = math.log(0.05), math.log(20.0)
_LOW_NOISE, _HIGH_NOISE = math.log(1e-7), 0.0
_INFEASIBLE = 1e10


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of theta before any data, and how the columns of x share lengthscales.

    groups (c,): the lengthscale of each column, 0 .. d - 1; hot (c, d): the same as one-hot rows. mean (d + 1,),
    precision (d + 1, d + 1): a normal for log lengthscales and log signal variance. The noise variance has a
    Gamma(1.1, 30). low, high (d + 2,): bounds of theta.
    """

    groups: Tensor
    hot: Tensor
    mean: Tensor
    precision: Tensor
    low: Tensor
    high: Tensor

    @property
    def start(self) -> Floats:
        """(d + 2,) where a fit begins: long lengthscales, whose gradients do not vanish in many dimensions."""
        d = len(self.mean) - 1
        return np.array([math.log(0.5 * math.sqrt(d))] * d + [0.0, -4.0])

    def negative_log(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) minus the log density up to a constant, and its (B, d + 2) gradient."""
        z = theta[:, :-1] - self.mean
        weighted = z @ self.precision
        noise = theta[:, -1].exp()
        value = 0.5 * (z * weighted).sum(-1) + _NOISE_RATE * noise - (_NOISE_SHAPE - 1) * theta[:, -1]
        return value, torch.cat([weighted, (_NOISE_RATE * noise - (_NOISE_SHAPE - 1))[:, None]], 1)


def prior(groups: NDArray[np.int64], *, alike: bool) -> Prior:
    """The prior for columns that belong to groups 0 .. max(groups).

    alike: lengthscales share one common scale and deviate from it by a factor of about e**0.5; otherwise each is
    independent. The location grows with sqrt(d), so that a high-dimensional cube is not all corners.
    """
    columns = torch.from_numpy(groups)
    hot = torch.nn.functional.one_hot(columns).double()
    d = hot.shape[1]
    mean = torch.tensor([math.sqrt(2.0) + 0.5 * math.log(d)] * d + [0.0], dtype=torch.float64)
    covariance = torch.eye(d + 1, dtype=torch.float64)
    eye = torch.eye(d, dtype=torch.float64)
    covariance[:d, :d] = _LENGTHSCALE_SD2 + _DEVIATION_SD2 * eye if alike else _LENGTHSCALE_SD2 * eye
    low = torch.tensor([_LOW_LENGTHSCALE] * d + [_LOW_SIGNAL, _LOW_NOISE], dtype=torch.float64)
    high = torch.tensor([_HIGH_LENGTHSCALE] * d + [_HIGH_SIGNAL, _HIGH_NOISE], dtype=torch.float64)
    return Prior(columns, hot, mean, torch.linalg.inv(covariance), low, high)


def matern52(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Matern-5/2 correlation at squared scaled distances, and its derivative by the squared distance.

    Overwrites `squared`. Source: Rasmussen & Williams 2006, eq. 4.17.
    """
    a = (squared * 5).sqrt_()
    e = a.neg().exp_()
    d = a.add_(1).mul_(e)
    return squared.mul_(5 / 3).mul_(e).add_(d), d.mul_(-5 / 6)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """(..., n, m) squared Euclidean distances between rows of a (..., n, c) and b (..., m, c)."""
    return (a @ b.mT).mul_(-2).add_((a * a).sum(-1)[..., :, None]).add_((b * b).sum(-1)[..., None, :]).clamp_min_(0)


def fit(prior: Prior, x: Floats, y: Floats, starts: Floats, *, iterations: int, extra: Floats | None = None) -> Floats:
    """(d + 2,) the theta of highest posterior density that a search from each of `starts` (B, d + 2) finds.

    x: (n, c) columns in [0, 1]. y: (n,) standardised targets. extra: (n,) what each target's noise variance has
    beyond the common one; None: nothing.
    """
    data = torch.from_numpy(x), torch.from_numpy(y), None if extra is None else torch.from_numpy(extra)

    def objective(theta: Floats) -> tuple[Floats, Floats]:
        value, gradient = negative_log_posterior(torch.from_numpy(theta), prior, *data)
        return value.numpy(), gradient.numpy()

    low, high = prior.low.numpy(), prior.high.numpy()
    theta, value = lbfgs.minimize(
        objective, np.clip(starts, low, high), low, high,
        iterations=iterations, gradient_tolerance=0.03, value_tolerance=1e-4,
    )  # fmt: skip
    best: Floats = theta[value.argmin()]
    return best


def negative_log_posterior(
    theta: Tensor, prior: Prior, x: Tensor, y: Tensor, extra: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(B,) minus log p(y | theta) p(theta) up to a constant, and the (B, d + 2) gradient; extra as for `fit`.

    The constant mean is integrated out as its generalised least squares
    estimate (Rasmussen & Williams 2006, eqs. 5.8 and 5.9 with the residual in place of y).
    """
    n, d = len(x), len(prior.mean) - 1
    z = x * torch.exp(-theta[:, prior.groups])[:, None, :]
    signal, noise = theta[:, d].exp(), theta[:, d + 1].exp()
    kernel, slope = matern52(squared_distance(z, z))
    noises = noise[:, None].expand(-1, n) if extra is None else noise[:, None] + extra
    kernel.mul_(signal[:, None, None]).diagonal(dim1=-2, dim2=-1).copy_(signal[:, None] + noises)
    factor, info = torch.linalg.cholesky_ex(kernel)
    inverse = torch.cholesky_inverse(factor)
    ones = inverse.sum(-1)
    residual = y - ((ones @ y) / ones.sum(-1))[:, None]
    alpha = (inverse @ residual[:, :, None])[..., 0]
    fit_term, alpha2 = (residual * alpha).sum(-1), (alpha * alpha).sum(-1)
    prior_value, prior_gradient = prior.negative_log(theta)
    value = 0.5 * fit_term + factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) + prior_value
    variances = inverse.diagonal(dim1=-2, dim2=-1)
    trace = variances.sum(-1)
    weights = (alpha[:, :, None] * alpha[:, None, :]).sub_(inverse).mul_(slope).mul_(signal[:, None, None])
    by_column = 2 * ((weights.sum(-1)[..., None] * z * z).sum(1) - (z * (weights @ z)).sum(1))
    by_signal = -0.5 * ((fit_term - noise * alpha2) - (n - noise * trace))
    if extra is not None:
        by_signal += 0.5 * (alpha * alpha - variances) @ extra
    by_noise = -0.5 * noise * (alpha2 - trace)
    gradient = torch.cat([by_column @ prior.hot, by_signal[:, None], by_noise[:, None]], 1) + prior_gradient
    is_sound = (info == 0) & torch.isfinite(value)
    return torch.where(is_sound, value, _INFEASIBLE), torch.nan_to_num(gradient)


Pullback = Callable[[Floats, Floats], Floats]
"""(m,) derivatives of a function by mean and by variance -> its (m, c) gradient by x."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """The process after it saw n targets, of which some may be pending: those narrow the variance only.

    scale (c,): 1 / lengthscale of each column. z (n, c): scaled inputs, z2 (n,): their squared norms. alpha (n,): 0 for
    pending rows. inverse (n, n): of the kernel matrix with noise. fitted (n,), an array: the mean at the inputs.
    """

    scale: Tensor
    signal: Tensor
    noise: Tensor
    mean: Tensor
    z: Tensor
    z2: Tensor
    alpha: Tensor
    inverse: Tensor
    fitted: Floats

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """(m,) means and (m,) variances of the latent function at x (m, c)."""
        k = matern52(self._squared_distance(torch.from_numpy(x) * self.scale))[0].mul_(self.signal)
        return (self.mean + k @ self.alpha).numpy(), self._variance(k, k @ self.inverse).numpy()

    def predict_with_gradient(self, x: Floats) -> tuple[Floats, Floats, Pullback]:
        """The same, and what turns derivatives by both into derivatives by x."""
        z = torch.from_numpy(x) * self.scale
        k, slope = matern52(self._squared_distance(z))
        k.mul_(self.signal)
        solved = k @ self.inverse

        def pullback(by_mean: Floats, by_variance: Floats) -> Floats:
            along_mean, along_variance = torch.from_numpy(by_mean), torch.from_numpy(-2 * by_variance)
            outer = along_mean[:, None] * self.alpha + along_variance[:, None] * solved
            weights = outer.mul_(slope).mul_(2 * self.signal)
            gradient: Floats = (self.scale * (z * weights.sum(-1, keepdim=True) - weights @ self.z)).numpy()
            return gradient

        return (self.mean + k @ self.alpha).numpy(), self._variance(k, solved).numpy(), pullback

    def distance(self, x: Floats) -> Floats:
        """(m, n) distances in lengthscales between x (m, c) and the inputs."""
        distances: Floats = self._squared_distance(torch.from_numpy(x) * self.scale).sqrt().numpy()
        return distances

    def _squared_distance(self, z: Tensor) -> Tensor:
        return torch.addmm(self.z2, z, self.z.mT, alpha=-2).add_((z * z).sum(-1)[:, None]).clamp_min_(0)

    def _variance(self, k: Tensor, solved: Tensor) -> Tensor:
        return (self.signal - (solved * k).sum(-1)).clamp_min_(1e-12)


def condition(
    prior: Prior,
    theta: Floats,
    x: Floats,
    y: Floats,
    pending: Floats | None = None,
    extra: Floats | None = None,
) -> Posterior:
    """The posterior given targets y (n,) at x (n, c), and that results at pending (p, c) are on their way.

    extra (n,): what each target's noise variance has beyond the common one; None: nothing.

    A pending row enters as if its result were the mean that is predicted for it: that leaves every mean as it is
    (Ginsbourger, Le Riche & Carraro 2010, "kriging believer").
    """
    d = len(prior.mean) - 1
    parameters, targets = torch.from_numpy(theta), torch.from_numpy(y)
    scale = torch.exp(-parameters[prior.groups])
    signal, noise = parameters[d].exp(), parameters[d + 1].exp()
    z = torch.from_numpy(x) * scale
    noises = noise.expand(len(y)) if extra is None else noise + torch.from_numpy(extra)
    inverse = _inverse(z, signal, noises)
    mean = (inverse.sum(0) @ targets) / inverse.sum()
    alpha = inverse @ (targets - mean)
    fitted = targets - noises * alpha
    if pending is not None and len(pending):
        waiting = torch.from_numpy(pending) * scale
        k = matern52(squared_distance(waiting, z))[0].mul_(signal)
        fitted = torch.cat([fitted, mean + k @ alpha])
        z = torch.cat([z, waiting])
        inverse = _inverse(z, signal, torch.cat([noises, noise.expand(len(waiting))]))
        alpha = torch.cat([alpha, torch.zeros(len(waiting), dtype=torch.float64)])
    return Posterior(scale, signal, noise, mean, z, (z * z).sum(-1), alpha, inverse, fitted.numpy())


def _inverse(z: Tensor, signal: Tensor, noises: Tensor) -> Tensor:
    """Of the kernel matrix with noises (n,); where rounding makes it indefinite, with ten times more jitter."""
    kernel = matern52(squared_distance(z, z))[0].mul_(signal)
    jitter = 0.0
    while True:
        kernel.diagonal().copy_(signal + noises + jitter)
        factor, info = torch.linalg.cholesky_ex(kernel)
        if int(info) == 0:
            return torch.cholesky_inverse(factor)
        jitter = max(10 * jitter, 1e-9 * float(signal))
