"""The batched box-constrained minimiser against closed forms and SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

from cotune.numerics import lbfgs

F64 = torch.float64


def quadratic(hessian: torch.Tensor, centre: torch.Tensor):
    def objective(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gradient = (x - centre) @ hessian
        return 0.5 * (gradient * (x - centre)).sum(1), gradient

    return objective


def rosenbrock(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = x.numpy()
    return torch.tensor([rosen(row) for row in rows], dtype=F64), torch.tensor(np.array([rosen_der(r) for r in rows]))


def box(d: int, low: float, high: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((1, d), low, dtype=F64), torch.full((1, d), high, dtype=F64)


def test_a_quadratic_is_solved_from_every_start() -> None:
    root = torch.randn(6, 6, dtype=F64, generator=torch.Generator().manual_seed(0))
    hessian, centre = root @ root.T + 0.1 * torch.eye(6, dtype=F64), torch.linspace(-1, 1, 6, dtype=F64)
    starts = torch.randn(5, 6, dtype=F64, generator=torch.Generator().manual_seed(1))
    x, value = lbfgs.minimize(
        quadratic(hessian, centre), starts, *box(6, -9, 9), iterations=100, gradient_tolerance=1e-9, value_tolerance=0.0
    )
    assert torch.allclose(x, centre.expand(5, 6), atol=1e-8)
    assert float(value.abs().max()) < 1e-15


def test_a_bound_that_is_active_holds_the_minimum_as_scipy_finds_it() -> None:
    low, high = box(4, -0.5, 0.6)
    starts = torch.tensor([[0.0] * 4, [0.5, -0.4, 0.3, 0.1]], dtype=F64)
    x, value = lbfgs.minimize(
        rosenbrock, starts, low, high, iterations=300, gradient_tolerance=1e-8, value_tolerance=1e-16
    )
    expected = scipy_minimize(rosen, starts[0].numpy(), jac=rosen_der, method="L-BFGS-B", bounds=[(-0.5, 0.6)] * 4)
    assert value.numpy() == pytest.approx(expected.fun, rel=1e-6)
    assert bool(((x >= low) & (x <= high)).all())


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    starts = torch.tensor([[-1.0, 1.0], [0.3, 0.2], [1.5, -0.5]], dtype=F64)
    low, high = box(2, -2, 2)
    together, values = lbfgs.minimize(rosenbrock, starts, low, high, iterations=25)
    for i in range(3):
        alone, value = lbfgs.minimize(rosenbrock, starts[i : i + 1], low, high, iterations=25)
        assert torch.allclose(alone[0], together[i], atol=1e-10) and torch.allclose(value[0], values[i], atol=1e-10)


def test_it_never_ends_above_its_start_even_where_the_gradient_lies() -> None:
    def liar(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (x * x).sum(1), -2 * x

    start = torch.tensor([[1.0, 2.0]], dtype=F64)
    x, value = lbfgs.minimize(liar, start, *box(2, -5, 5), iterations=10)
    assert torch.equal(x, start) and float(value) == 5.0


def test_values_that_are_not_finite_are_stepped_back_from() -> None:
    def walled(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.where(x[:, 0] > 0.5, torch.nan, (x[:, 0] - 0.4) ** 2), 2 * (x - 0.4)

    x, _ = lbfgs.minimize(walled, torch.tensor([[-3.0]], dtype=F64), *box(1, -5, 5), iterations=60)
    assert float(x) == pytest.approx(0.4, abs=1e-2)
