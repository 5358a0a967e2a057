"""How much a configuration promises: the logarithm of expected improvement, exact far into the tails.

Source: Ament, Daulton, Eriksson, Balandat & Bakshy 2023, "Unexpected Improvements to Expected Improvement for Bayesian
Optimization", eqs. 8 to 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cotune.numerics.gp import Posterior

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_FAR = -40.0


def log_h(z: Tensor) -> tuple[Tensor, Tensor]:
    """log(phi(z) + z Phi(z)) and log phi(z), in three branches: direct, by erfcx, and an asymptotic series."""
    log_phi = -0.5 * z * z - _LOG_SQRT_2PI
    lowest = float(z.min())
    high = z.clamp(min=-1.0)
    near = torch.log(torch.exp(-0.5 * high * high - _LOG_SQRT_2PI) + high * torch.special.ndtr(high))
    if lowest > -1:
        return near, log_phi
    low = z.clamp(max=-1.0)
    ratio = -low * math.sqrt(math.pi / 2) * torch.special.erfcx(-low / math.sqrt(2.0))
    tail = torch.log1p(-ratio.clamp(max=1 - 1e-15))
    if lowest < _FAR:
        inverse2 = 1 / (low * low)
        far = torch.log(inverse2) + torch.log1p(-3 * inverse2 + 15 * inverse2 * inverse2)
        tail = torch.where(z < _FAR, far, tail)
    return torch.where(z > -1, near, log_phi + tail), log_phi


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement:
    """log E[max(best - f(x), 0)] under a posterior. best: the loss to undercut, in the posterior's units."""

    posterior: Posterior
    best: Tensor

    def value(self, x: Tensor) -> Tensor:
        """(m,) at x (m, c)."""
        mean, variance = self.posterior.predict(x)
        sd = variance.sqrt()
        return sd.log() + log_h((self.best - mean) / sd)[0]

    def negative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(m,) minus the value, and the (m, c) gradient of that."""
        mean, variance, pullback = self.posterior.predict_with_gradient(x)
        sd = variance.sqrt()
        z = (self.best - mean) / sd
        value, log_phi = log_h(z)
        by_mean = torch.exp(torch.special.log_ndtr(z) - value) / sd
        by_variance = torch.exp(log_phi - value) / (-2 * variance)
        return -(sd.log() + value), pullback(by_mean, by_variance)


def explore_share(mean: Tensor, sd: Tensor, best: Tensor) -> Tensor:
    """The part of expected improvement that uncertainty brings, in [0, 1].

    EI = (best - mean) Phi(z) + sd phi(z): the second term is what would be left if the mean promised nothing, and all
    of it where the mean is worse than the best.
    """
    z = (best - mean) / sd
    value, log_phi = log_h(z)
    return torch.exp(log_phi - value).clamp(0.0, 1.0)
