"""The batched box-constrained minimiser against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

from cotune.numerics import lbfgs


def quadratic(hessian: np.ndarray, centre: np.ndarray):
    def objective(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient = (x - centre) @ hessian
        return 0.5 * (gradient * (x - centre)).sum(axis=1), gradient

    return objective


def rosenbrock(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.array([rosen(row) for row in x]), np.array([rosen_der(row) for row in x])


def box(d: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full((1, d), low), np.full((1, d), high)


def test_a_quadratic_is_solved_from_every_start() -> None:
    random = np.random.default_rng(0)
    root = random.standard_normal((6, 6))
    hessian, centre, starts = root @ root.T + 0.1 * np.eye(6), np.linspace(-1, 1, 6), random.standard_normal((5, 6))
    x, value = lbfgs.minimize(
        quadratic(hessian, centre), starts, *box(6, -9, 9), iterations=100, gradient_tolerance=1e-9, value_tolerance=0.0
    )
    assert x == pytest.approx(np.tile(centre, (5, 1)), abs=1e-7)
    assert np.abs(value).max() < 1e-13


def test_a_bound_that_is_active_holds_the_minimum_as_scipy_finds_it() -> None:
    low, high = box(4, -0.5, 0.6)
    starts = np.array([[0.0] * 4, [0.5, -0.4, 0.3, 0.1]])
    x, value = lbfgs.minimize(
        rosenbrock, starts, low, high, iterations=300, gradient_tolerance=1e-8, value_tolerance=1e-16
    )
    expected = scipy_minimize(rosen, starts[0], jac=rosen_der, method="L-BFGS-B", bounds=[(-0.5, 0.6)] * 4)
    assert value == pytest.approx(expected.fun, rel=1e-6)
    assert ((x >= low) & (x <= high)).all()


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    starts = np.array([[-1.0, 1.0], [0.3, 0.2], [1.5, -0.5]])
    low, high = box(2, -2, 2)
    together, values = lbfgs.minimize(rosenbrock, starts, low, high, iterations=25)
    for i in range(3):
        alone, value = lbfgs.minimize(rosenbrock, starts[i : i + 1], low, high, iterations=25)
        assert alone[0] == pytest.approx(together[i], abs=1e-8) and value[0] == pytest.approx(values[i], abs=1e-8)


def test_it_never_ends_above_its_start_even_where_the_gradient_lies() -> None:
    def liar(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (x * x).sum(axis=1), -2 * x

    start = np.array([[1.0, 2.0]])
    x, value = lbfgs.minimize(liar, start, *box(2, -5, 5), iterations=10)
    assert x.tolist() == start.tolist() and value.tolist() == [5.0]


def test_values_that_are_not_finite_are_stepped_back_from() -> None:
    def walled(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(x[:, 0] > 0.5, np.nan, (x[:, 0] - 0.4) ** 2), 2 * (x - 0.4)

    x, _ = lbfgs.minimize(walled, np.array([[-3.0]]), *box(1, -5, 5), iterations=60)
    assert float(x[0, 0]) == pytest.approx(0.4, abs=1e-2)
