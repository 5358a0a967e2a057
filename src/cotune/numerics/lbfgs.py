"""Projected L-BFGS for many small problems at once, in as few tensor operations as the algebra allows.

The inverse Hessian is kept in its compact form (Byrd, Nocedal & Schnabel 1994, eq. 3.1), the box by projection. Torch's
own LBFGS knows neither bounds nor batches; SciPy's knows no batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""(B, d) points -> (B,) values and (B, d) gradients; row i depends on point i alone."""

_MEMORY = 8
_ARMIJO = 1e-4
_BACKTRACKS = 8


def minimize(
    objective: Objective,
    x: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    iterations: int,
    gradient_tolerance: float = 1e-3,
    value_tolerance: float = 1e-7,
) -> tuple[Tensor, Tensor]:
    """Local minima in the box [low, high] from each row of x; all rows advance together and stop on their own.

    x, low, high: (B, d), broadcastable. A row stops when its projected gradient is below `gradient_tolerance`
    everywhere, or a step changed its value by less than `value_tolerance` (relative above 1). Returns (B, d) points
    and (B,) values, never worse than at the start.
    """
    here = _Place(x, *objective(x))
    pairs = _Pairs.none(x)
    is_done = torch.zeros(len(x), dtype=torch.bool)
    for _ in range(iterations):
        is_blocked = ((here.x <= low) & (here.gradient > 0)) | ((here.x >= high) & (here.gradient < 0))
        projected = here.gradient.masked_fill(is_blocked, 0.0)
        is_done = is_done | (projected.abs().amax(1) < gradient_tolerance)
        if bool(is_done.all()):
            break
        direction, slope = _downhill(pairs.direction(projected).masked_fill_(is_blocked, 0.0), projected)
        there, has_moved = _searched(objective, here, direction, slope, (low, high), is_done)
        pairs = pairs.after(there.x - here.x, there.gradient - here.gradient)
        is_flat = (here.value - there.value).abs() <= value_tolerance * (1 + here.value.abs())
        is_done = is_done | ~has_moved | is_flat
        here = there
    return here.x, here.value


@dataclass(frozen=True, slots=True)
class _Place:
    """Points with their values and gradients."""

    x: Tensor
    value: Tensor
    gradient: Tensor


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The last k steps s and changes of gradient y, (B, k, d) each, the oldest first; zero where curvature is not > 0.

    unit (B, k): 1 for those zero rows, so that the triangle stays regular. scale (B, 1): the initial inverse Hessian.
    """

    s: Tensor
    y: Tensor
    unit: Tensor
    scale: Tensor

    @classmethod
    def none(cls, x: Tensor) -> _Pairs:
        empty = x.new_zeros(len(x), 0, x.shape[1])
        return cls(empty, empty, x.new_zeros(len(x), 0), x.new_ones(len(x), 1))

    def after(self, s: Tensor, y: Tensor) -> _Pairs:
        """With one more pair, without the oldest if there are too many."""
        sy, yy = (s * y).sum(1, keepdim=True), (y * y).sum(1, keepdim=True)
        is_curved = sy > 1e-12 * yy.clamp_min(1e-300)
        s, y = torch.where(is_curved, s, 0.0), torch.where(is_curved, y, 0.0)
        first = max(0, self.s.shape[1] + 1 - _MEMORY)
        return _Pairs(
            torch.cat([self.s[:, first:], s[:, None]], 1),
            torch.cat([self.y[:, first:], y[:, None]], 1),
            torch.cat([self.unit[:, first:], (~is_curved).to(s.dtype)], 1),
            torch.where(is_curved, sy / yy.clamp_min(1e-300), self.scale),  # Nocedal & Wright 2006, eq. 7.20
        )

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian times the gradient; a cautious step along the gradient without any pair."""
        if not self.s.shape[1]:
            norm = gradient.norm(dim=1, keepdim=True)
            return gradient * (norm.mul(-0.3).clamp_min(-1.0) / norm.clamp_min(1e-12))
        g = gradient[:, :, None]
        inner = self.s @ self.y.mT
        triangle = inner.triu() + torch.diag_embed(self.unit)
        p = torch.linalg.solve_triangular(triangle, self.s @ g, upper=True)
        diagonal = inner.diagonal(dim1=-2, dim2=-1)[:, :, None]
        scale = self.scale[:, :, None]
        right = diagonal * p + scale * (self.y @ (self.y.mT @ p - g))
        q = torch.linalg.solve_triangular(triangle.mT, right, upper=False)
        return (scale * (self.y.mT @ p - g) - self.s.mT @ q)[:, :, 0]


def _downhill(direction: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
    """The direction and its slope; steepest descent where it does not go down."""
    slope = (direction * projected).sum(1)
    is_uphill = slope >= 0
    if not bool(is_uphill.any()):
        return direction, slope
    direction = torch.where(is_uphill[:, None], -projected, direction)
    return direction, (direction * projected).sum(1)


def _searched(
    objective: Objective,
    here: _Place,
    direction: Tensor,
    slope: Tensor,
    box: tuple[Tensor, Tensor],
    is_done: Tensor,
) -> tuple[_Place, Tensor]:
    """Backtracking with a quadratic model until every row has Armijo's decrease; and which rows have it."""
    best, is_settled = here, is_done
    step = torch.ones_like(here.value)
    for _ in range(_BACKTRACKS):
        x = torch.clamp(here.x + step[:, None] * direction, *box)
        x = torch.where(is_settled[:, None], best.x, x)
        value, gradient = objective(x)
        enough = here.value + _ARMIJO * (here.gradient * (x - here.x)).sum(1)
        is_taken = (value <= enough) & ~is_settled
        best = _Place(
            torch.where(is_taken[:, None], x, best.x),
            torch.where(is_taken, value, best.value),
            torch.where(is_taken[:, None], gradient, best.gradient),
        )
        is_settled = is_settled | is_taken
        if bool(is_settled.all()):
            break
        step = torch.where(is_settled, step, _shorter(step, value - here.value, slope))
    return best, is_settled


def _shorter(step: Tensor, rise: Tensor, slope: Tensor) -> Tensor:
    """The minimum of the parabola through what is known, between a tenth and a half of the step."""
    curvature = 2 * (rise - step * slope)
    is_bowl = torch.isfinite(rise) & (curvature > 0)
    minimum = torch.where(is_bowl, -slope * step * step / curvature, 0.1 * step)
    return torch.maximum(torch.minimum(minimum, 0.5 * step), 0.1 * step)
