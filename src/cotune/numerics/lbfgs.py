"""Projected L-BFGS for a handful of small problems at once.

The inverse Hessian is kept in its compact form (Byrd, Nocedal & Schnabel 1994, eq. 3.1), the box by projection. Torch's
own LBFGS knows neither bounds nor batches; SciPy's knows no batches. NumPy, because on arrays this small an operation
costs it a third of what it costs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Objective = Callable[[Floats], tuple[Floats, Floats]]
"""(B, d) points -> (B,) values and (B, d) gradients; row i depends on point i alone."""

_MEMORY = 8
_ARMIJO = 1e-4
_BACKTRACKS = 8


def minimize(
    objective: Objective,
    x: Floats,
    low: Floats,
    high: Floats,
    *,
    iterations: int,
    gradient_tolerance: float = 1e-3,
    value_tolerance: float = 1e-7,
) -> tuple[Floats, Floats]:
    """Local minima in the box [low, high] from each row of x; all rows advance together and stop on their own.

    x, low, high: (B, d), broadcastable. A row stops when its projected gradient is below `gradient_tolerance`
    everywhere, or a step changed its value by less than `value_tolerance` (relative above 1). Returns (B, d) points
    and (B,) values, never worse than at the start.
    """
    here = _Place(x, *objective(x))
    pairs = _Pairs.none(x)
    is_done = np.zeros(len(x), dtype=np.bool_)
    for _ in range(iterations):
        is_free = np.where(here.gradient > 0, here.x > low, here.x < high)
        projected = here.gradient * is_free
        is_done |= np.abs(projected).max(axis=1) < gradient_tolerance
        if is_done.all():
            break
        direction, slope = _downhill(pairs.direction(projected) * is_free, projected)
        there, has_moved = _searched(objective, here, direction, slope, (low, high), is_done)
        pairs = pairs.after(there.x - here.x, there.gradient - here.gradient)
        is_flat = np.abs(here.value - there.value) <= value_tolerance * (1 + np.abs(here.value))
        is_done = is_done | ~has_moved | is_flat
        here = there
    return here.x, here.value


@dataclass(frozen=True, slots=True)
class _Place:
    """Points with their values and gradients."""

    x: Floats
    value: Floats
    gradient: Floats


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The last k steps s and changes of gradient y, (B, k, d) each, the oldest first; zero where curvature is not > 0.

    unit (B, k): 1 for those zero rows, so that the triangle stays regular. scale (B, 1): the initial inverse Hessian.
    """

    s: Floats
    y: Floats
    unit: Floats
    scale: Floats

    @classmethod
    def none(cls, x: Floats) -> _Pairs:
        empty = np.zeros((len(x), 0, x.shape[1]))
        return cls(empty, empty, np.zeros((len(x), 0)), np.ones((len(x), 1)))

    def after(self, s: Floats, y: Floats) -> _Pairs:
        """With one more pair, without the oldest if there are too many."""
        sy, yy = _inner(s, y)[:, None], np.maximum(_inner(y, y)[:, None], 1e-300)
        is_curved = sy > 1e-12 * yy
        first = max(0, self.s.shape[1] + 1 - _MEMORY)
        return _Pairs(
            np.concatenate([self.s[:, first:], (s * is_curved)[:, None]], axis=1),
            np.concatenate([self.y[:, first:], (y * is_curved)[:, None]], axis=1),
            np.concatenate([self.unit[:, first:], ~is_curved], axis=1),
            np.where(is_curved, sy / yy, self.scale),  # Nocedal & Wright 2006, eq. 7.20
        )

    def direction(self, gradient: Floats) -> Floats:
        """Minus the inverse Hessian times the gradient; a cautious step along the gradient without any pair."""
        k = self.s.shape[1]
        if not k:
            norm = np.maximum(np.sqrt(_inner(gradient, gradient)), 1e-12)[:, None]
            return gradient * (-np.minimum(0.3 * norm, 1.0) / norm)
        g, scale = gradient[:, :, None], self.scale[:, :, None]
        inner = self.s @ self.y.transpose(0, 2, 1)
        diagonal = np.einsum("bii->bi", inner)[:, :, None]
        triangle = inner * _upper(k) + self.unit[:, :, None] * np.eye(k)
        p = np.linalg.solve(triangle, self.s @ g)
        yp = self.y.transpose(0, 2, 1) @ p - g
        q = np.linalg.solve(triangle.transpose(0, 2, 1), diagonal * p + scale * (self.y @ yp))
        return (scale * yp - self.s.transpose(0, 2, 1) @ q)[:, :, 0]


def _upper(k: int) -> Booleans:
    return np.arange(k)[:, None] <= np.arange(k)


def _inner(a: Floats, b: Floats) -> Floats:
    products: Floats = np.einsum("bd,bd->b", a, b)
    return products


def _downhill(direction: Floats, projected: Floats) -> tuple[Floats, Floats]:
    """The direction and its slope; steepest descent where it does not go down."""
    slope = _inner(direction, projected)
    is_uphill = ~(slope < 0)
    if is_uphill.any():
        direction = np.where(is_uphill[:, None], -projected, direction)
        slope = _inner(direction, projected)
    return direction, slope


def _searched(
    objective: Objective,
    here: _Place,
    direction: Floats,
    slope: Floats,
    box: tuple[Floats, Floats],
    is_done: Booleans,
) -> tuple[_Place, Booleans]:
    """Backtracking with a quadratic model until every row has Armijo's decrease; and which rows have it."""
    best, is_settled = here, is_done
    step = np.ones(len(slope))
    for _ in range(_BACKTRACKS):
        x = np.minimum(np.maximum(here.x + step[:, None] * direction, box[0]), box[1])
        x = np.where(is_settled[:, None], best.x, x)
        value, gradient = objective(x)
        is_taken = (value <= here.value + _ARMIJO * _inner(here.gradient, x - here.x)) & ~is_settled
        column = is_taken[:, None]
        best = _Place(
            np.where(column, x, best.x),
            np.where(is_taken, value, best.value),
            np.where(column, gradient, best.gradient),
        )
        is_settled = is_settled | is_taken
        if is_settled.all():
            break
        step = np.where(is_settled, step, _shorter(step, value - here.value, slope))
    return best, is_settled


def _shorter(step: Floats, rise: Floats, slope: Floats) -> Floats:
    """The minimum of the parabola through what is known, between a tenth and a half of the step."""
    curvature = 2 * (rise - step * slope)
    is_bowl = np.isfinite(rise) & (curvature > 0)
    minimum = np.where(is_bowl, -slope * step * step / np.where(is_bowl, curvature, 1.0), 0.1 * step)
    return np.maximum(np.minimum(minimum, 0.5 * step), 0.1 * step)
