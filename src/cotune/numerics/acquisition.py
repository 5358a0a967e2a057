"""How much a configuration promises: the logarithm of expected improvement, exact far into the tails.

Source: Ament, Daulton, Eriksson, Balandat & Bakshy 2023, "Unexpected Improvements to Expected Improvement for Bayesian
Optimization", eqs. 8 to 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cotune.numerics import normal
from cotune.numerics.gp import Floats, Posterior

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_FAR = -40.0


def log_h(z: Floats) -> tuple[Floats, Floats]:
    """log(phi(z) + z Phi(z)) and log phi(z), in three branches: direct, by erfcx, and an asymptotic series."""
    log_phi = -0.5 * z * z - _LOG_SQRT_2PI
    lowest = z.min()
    high = np.maximum(z, -1.0)
    near = np.log(np.exp(-0.5 * high * high - _LOG_SQRT_2PI) + high * normal.cdf(high))
    if lowest > -1:
        return near, log_phi
    low = np.minimum(z, -1.0)
    ratio = -low * math.sqrt(math.pi / 2) * normal.scaled_tail(-low / math.sqrt(2.0))
    tail = np.log1p(-np.minimum(ratio, 1 - 1e-15))
    if lowest < _FAR:
        inverse2 = 1 / (low * low)
        far = np.log(inverse2) + np.log1p(-3 * inverse2 + 15 * inverse2 * inverse2)
        tail = np.where(z < _FAR, far, tail)
    return np.where(z > -1, near, log_phi + tail), log_phi


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement:
    """log E[max(best - f(x), 0)] under a posterior. best: the loss to undercut, in the posterior's units."""

    posterior: Posterior
    best: float

    def value(self, x: Floats) -> Floats:
        """(m,) at x (m, c)."""
        mean, variance = self.posterior.predict(x)
        sd = np.sqrt(variance)
        return np.log(sd) + log_h((self.best - mean) / sd)[0]

    def negative(self, x: Floats) -> tuple[Floats, Floats]:
        """(m,) minus the value, and the (m, c) gradient of that."""
        mean, variance, pullback = self.posterior.predict_with_gradient(x)
        sd = np.sqrt(variance)
        z = (self.best - mean) / sd
        value, log_phi = log_h(z)
        by_mean = np.exp(normal.log_cdf(z) - value) / sd
        by_variance = np.exp(log_phi - value) / (-2 * variance)
        return -(np.log(sd) + value), pullback(by_mean, by_variance)


def explore_share(mean: float, sd: float, best: float) -> float:
    """The part of expected improvement that uncertainty brings, in [0, 1].

    EI = (best - mean) Phi(z) + sd phi(z): the second term is what would be left if the mean promised nothing, and all
    of it where the mean is worse than the best.
    """
    value, log_phi = log_h(np.array([(best - mean) / sd]))
    return min(1.0, math.exp(log_phi[0] - value[0]))
