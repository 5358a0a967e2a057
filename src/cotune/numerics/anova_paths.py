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
from numpy.typing import NDArray
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
class Hold:
    """A column that is held at each of k values. active (k, m, d): what counts then, where it touches others."""

    column: int
    touched: tuple[int, ...]
    values: Floats
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

    def exchanged(self, a: Points, b: Points, ab: Sequence[Move], ba: Sequence[Move]) -> tuple[Floats, Floats]:
        """(1 + k, m, s) twice: at a, and where each of k moves takes its column from b; and the same the other way."""
        n_parts = max(1, len(a.units) // _CHUNK)
        parts = [
            self._exchanged(a.rows(rows), b.rows(rows), [_part(move, rows) for move in ab],
                            [_part(move, rows) for move in ba])
            for rows in np.array_split(np.arange(len(a.units)), n_parts)
        ]  # fmt: skip
        first, second = (torch.cat(values, 1).numpy() for values in zip(*parts, strict=True))
        return first, second

    def averages(self, points: Points, holds: Sequence[Hold]) -> list[Floats]:
        """For each hold (k, s): the functions averaged over those points where its column is active, at k values."""
        own, off = self._factors(points), self._off()
        now = _switched(own, points.active, off)
        whole = now.prod(0)
        return [self._averages(hold, own, off, whole, now, points.active[:, hold.column]) for hold in holds]

    def _averages(
        self, hold: Hold, own: Tensor, off: Tensor, whole: Tensor, now: Tensor, is_active: Booleans
    ) -> Floats:
        column, rows = hold.column, torch.from_numpy(np.flatnonzero(is_active))
        units = np.zeros((len(hold.values), len(own)))
        units[:, column] = hold.values
        here = Points(units[:, [column]], np.ones((len(units), 1), dtype=np.bool_), self.centres.is_number[[column]])
        there = Points(self.centres.units[:, [column]], self.centres.active[:, [column]], here.is_number)
        d = len(own)
        held = factors(self.theta[[column, d + column, 2 * d, 2 * d + 1]], here, there)[0]
        rest = whole[rows] / now[column][rows]
        for c in hold.touched:
            rest = rest / now[c][rows]
        averages = rest.mean(0).expand(len(hold.values), -1)
        if hold.touched:
            averages = torch.stack([
                _times(rest, own[:, rows], off, Move(column, hold.touched, active[is_active])).mean(0)
                for active in hold.active
            ])  # fmt: skip
        found: Floats = (self.mean + (averages * held).mul_(self.theta[-2].exp()) @ self.weights).numpy()
        return found

    def _exchanged(self, a: Points, b: Points, ab: Sequence[Move], ba: Sequence[Move]) -> tuple[Tensor, Tensor]:
        of_a, of_b, off = self._factors(a), self._factors(b), self._off()
        return self._moved(of_a, of_b, off, a.active, ab), self._moved(of_b, of_a, off, b.active, ba)

    def _moved(self, own: Tensor, other: Tensor, off: Tensor, active: Booleans, moves: Sequence[Move]) -> Tensor:
        now = _switched(own, active, off)
        whole, signal = now.prod(0), self.theta[-2].exp()
        found = [whole @ self.weights]
        for move in moves:
            j = move.column
            product = (whole / now[j]).mul_(_counted(other[j], off[j], move.active[:, j]))
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
    across = covariance(theta, between, centres)
    kernel = torch.cat([torch.cat([posterior.kernel, across[:, : len(seen.units)].T], 1), across])
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


def _part(move: Move, rows: NDArray[np.int64]) -> Move:
    return Move(move.column, move.touched, move.active[rows])


def _switched(own: Tensor, active: Booleans, off: Tensor) -> Tensor:
    if active.all():
        return own
    return torch.where(torch.from_numpy(active.T.copy())[:, :, None], own, off[:, None, None])


def _times(product: Tensor, own: Tensor, off: Tensor, move: Move) -> Tensor:
    """(m, c) the product times the factors of the touched columns as they count after the move."""
    for c in move.touched:
        product = product * _counted(own[c], off[c], move.active[:, c])
    return product


def _counted(factor: Tensor, off: Tensor, active: Booleans) -> Tensor:
    return factor if active.all() else torch.where(torch.from_numpy(active)[:, None], factor, off)
