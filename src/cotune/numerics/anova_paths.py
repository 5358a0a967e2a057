"""Functions that agree with what an ANOVA process saw, evaluated where whole columns are exchanged or held.

Every function is a weighted sum of kernels, and a kernel is a product over columns: exchanging one column of many
points exchanges one factor. Draws are made exactly at the targets and at some points between them, and interpolated.
Source: Wilson et al. 2021, "Pathwise conditioning of Gaussian processes", section 3 (Matheron's rule).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cotune.numerics.anova import Booleans, Floats, Points, Posterior, covariance, factors

_CHUNK = 128
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class Move:
    """A column that is exchanged, and the `touched` columns that it may switch on and off. active (m, d): what counts
    after the exchange.
    """

    column: int
    touched: tuple[int, ...]
    active: Booleans


@dataclass(frozen=True, slots=True)
class Paths:
    """s functions: the posterior mean first, then draws. weights (c, s): of the kernels at `centres`, c points."""

    centres: Points
    theta: Tensor
    mean: Tensor
    weights: Tensor

    def mean_values(self, points: Points) -> Floats:
        """(m,) the posterior mean at m points."""
        used = self.weights[:, 0] != 0
        centres = self.centres.rows(np.flatnonzero(used.numpy()))
        found: Floats = (self.mean + covariance(self.theta, points, centres) @ self.weights[used, 0]).numpy()
        return found

    def exchanged(self, here: Points, there: Points, moves: Sequence[Move]) -> Floats:
        """(1 + k, m, s) the functions at `here`, and where each of k moves takes its column from `there`."""
        parts = [
            self._exchanged(here.rows(rows), there.rows(rows),
                            [Move(move.column, move.touched, move.active[rows]) for move in moves])
            for rows in np.array_split(np.arange(len(here.units)), max(1, len(here.units) // _CHUNK))
        ]  # fmt: skip
        found: Floats = torch.cat(parts, 1).numpy()
        return found

    def averages(self, points: Points, values: Floats, moves: Sequence[Move]) -> Floats:
        """(k, s) averages of the functions over the points, with the moves' one column held at each of k values."""
        own, off = self._factors(points), self._off()
        column = moves[0].column
        units = np.zeros((len(values), points.units.shape[1]))
        units[:, column] = values
        held = factors(self.theta, Points(units, np.ones(units.shape, dtype=np.bool_), points.is_number), self.centres)
        now = _switched(own, points.active, off)
        rest = now[[j for j in range(len(now)) if j not in (column, *moves[0].touched)]].prod(0)
        rows = [rest.mean(0)] * len(values)
        if moves[0].touched:
            rows = [_times(rest, own, off, move).mean(0) for move in moves]
        signal = self.theta[-2].exp()
        found: Floats = (self.mean + (torch.stack(rows) * held[column]).mul_(signal) @ self.weights).numpy()
        return found

    def _exchanged(self, here: Points, there: Points, moves: Sequence[Move]) -> Tensor:
        own, other, off = self._factors(here), self._factors(there), self._off()
        now = _switched(own, here.active, off)
        whole, signal = now.prod(0), self.theta[-2].exp()
        found = [whole @ self.weights]
        for move in moves:
            j = move.column
            active = torch.from_numpy(move.active[:, j])[:, None]
            product = whole / now[j] * torch.where(active, other[j], off[j])
            for c in move.touched:
                product = product / now[c]
            found.append(_times(product, own, off, move) @ self.weights)
        return torch.stack(found).mul_(signal).add_(self.mean)

    def _factors(self, points: Points) -> Tensor:
        """(d, m, c) as if every column of the points counted."""
        everywhere = Points(points.units, np.ones(points.units.shape, dtype=np.bool_), points.is_number)
        return factors(self.theta, everywhere, self.centres)

    def _off(self) -> Tensor:
        """(d,) the factor of a column that does not count."""
        d = len(self.centres.is_number)
        return 1 / (1 + self.theta[d : 2 * d].exp())


def paths(posterior: Posterior, between: Points, n: int, generator: np.random.Generator) -> Paths:
    """The posterior mean and n draws. between: (m, d) points that the draws are exact at, besides the targets."""
    seen, theta = posterior.points, posterior.theta
    centres = Points(
        np.concatenate([seen.units, between.units]), np.concatenate([seen.active, between.active]), seen.is_number
    )
    kernel = covariance(theta, centres, centres)
    noisy = kernel.clone()
    noisy.diagonal().add_(_JITTER * float(theta[-2].exp()))
    factor = torch.linalg.cholesky(noisy)
    k, c = len(seen.units), len(centres.units)
    normal = torch.from_numpy(generator.standard_normal((c + k, n)))
    drawn = factor @ normal[:c]
    seen_with_noise = drawn[:k] + posterior.noise.sqrt() * normal[c:]
    correction = posterior.inverse @ seen_with_noise
    drawn -= kernel[:, :k] @ correction
    draws = torch.cholesky_solve(drawn, factor)
    draws[:k] += posterior.alpha[:, None]
    mean = torch.zeros((c, 1), dtype=torch.float64)
    mean[:k, 0] = posterior.alpha
    return Paths(centres, theta, posterior.mean, torch.cat([mean, draws], 1))


def _switched(own: Tensor, active: Booleans, off: Tensor) -> Tensor:
    if active.all():
        return own
    return torch.where(torch.from_numpy(active.T.copy())[:, :, None], own, off[:, None, None])


def _times(product: Tensor, own: Tensor, off: Tensor, move: Move) -> Tensor:
    """(m, c) the product times the factors of the touched columns as they count after the move."""
    for c in move.touched:
        product = product * torch.where(torch.from_numpy(move.active[:, c])[:, None], own[c], off[c])
    return product
