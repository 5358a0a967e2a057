"""What a configuration promises for two losses at once: how much of the plane it would add to what the front dominates.

Source: Emmerich, Giannakoglou & Naujoks 2006, "Single- and multiobjective evolutionary optimization assisted by
Gaussian random field metamodels". Of independent losses the expected hypervolume improvement is a sum over the strips
between neighbours on the front: what the first loss is expected to cover of the strip's width, times the expected
improvement of the second over its height. In logarithms, as expected improvement is (Ament et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cotune.numerics import normal
from cotune.numerics.acquisition import log_h
from cotune.numerics.gp import Floats, Posterior
from cotune.numerics.pareto import staircase

_HIGHEST = 700.0
"""Of exponents, beyond which a double overflows."""


@dataclass(frozen=True, slots=True)
class Front:
    """A staircase of k points that do not dominate each other, below a reference point.

    edges (k + 1,): the first losses, rising, and then the reference's. heights (k + 1,): the second loss to undercut in
    the strip that ends at each edge: the reference's, and then the points', falling.
    """

    edges: Floats
    heights: Floats

    @classmethod
    def of(cls, points: Floats, reference: Floats) -> Front:
        """What is not dominated of points (n, 2) and lies below the reference (2,)."""
        inside = points[(points < reference).all(axis=1)]
        steps = inside[staircase(inside)]
        return cls(np.append(steps[:, 0], reference[0]), np.append(reference[1], steps[:, 1]))

    @property
    def volume(self) -> float:
        """The area between the staircase and the reference."""
        return float(np.sum((self.edges[1:] - self.edges[:-1]) * (self.heights[0] - self.heights[1:])))


@dataclass(frozen=True, slots=True)
class _Gains:
    """Log expected improvements (m, k) of one loss over k levels, and what their slopes are made of.

    z (m, k): how many standard deviations sd (m, 1) the levels lie above the mean.
    """

    value: Floats
    z: Floats
    log_density: Floats
    sd: Floats

    @classmethod
    def over(cls, levels: Floats, mean: Floats, variance: Floats) -> _Gains:
        sd = np.sqrt(variance)[:, None]
        z = (levels - mean[:, None]) / sd
        value, log_density = log_h(z)
        return cls(np.log(sd) + value, z, log_density, sd)

    def slopes(self, log_weights: Floats, levels: slice = slice(None)) -> Floats:
        """(2, m) derivatives, by mean and by variance, of the sum of some of the improvements, weighted."""
        by_mean = -_exp(log_weights + normal.log_cdf(self.z[:, levels])).sum(axis=1)
        by_sd = _exp(log_weights + self.log_density[:, levels]).sum(axis=1)
        return np.stack([by_mean, by_sd / (2 * self.sd[:, 0])])


@dataclass(frozen=True, slots=True)
class LogExpectedHypervolumeImprovement:
    """log E[volume that f(x) adds] under the posteriors of two independent losses, in the posteriors' units."""

    posteriors: tuple[Posterior, Posterior]
    front: Front

    def value(self, x: Floats) -> Floats:
        """(m,) at x (m, c)."""
        first, second = (posterior.predict(x) for posterior in self.posteriors)
        widths, heights = _Gains.over(self.front.edges, *first), _Gains.over(self.front.heights, *second)
        return _log_sum(_log_parts(widths.value) + heights.value)

    def negative(self, x: Floats) -> tuple[Floats, Floats]:
        """(m,) minus the value, and the (m, c) gradient of that."""
        (*first, pull_first), (*second, pull_second) = (p.predict_with_gradient(x) for p in self.posteriors)
        widths, heights = _Gains.over(self.front.edges, *first), _Gains.over(self.front.heights, *second)
        parts = _log_parts(widths.value)
        value = _log_sum(parts + heights.value)
        # an edge ends one strip and begins the next, so its improvement counts by what the second loss falls there
        by_height = heights.value - value[:, None]
        by_first = widths.slopes(by_height) - widths.slopes(by_height[:, 1:], slice(None, -1))
        by_second = heights.slopes(parts - value[:, None])
        return -value, -pull_first(*by_first) - pull_second(*by_second)


def _log_parts(levels: Floats) -> Floats:
    """Of log improvements over rising edges (m, k), those within the strip that ends at each edge."""
    before = np.minimum(levels[:, :-1] - levels[:, 1:], -1e-15)
    return np.concatenate([levels[:, :1], levels[:, 1:] + np.log(-np.expm1(before))], axis=1)


def _log_sum(parts: Floats) -> Floats:
    highest = parts.max(axis=1)
    total: Floats = highest + np.log(np.exp(parts - highest[:, None]).sum(axis=1))
    return total


def _exp(values: Floats) -> Floats:
    return np.exp(np.minimum(values, _HIGHEST))
