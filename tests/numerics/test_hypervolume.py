"""Expected hypervolume improvement against BoTorch, numerical integration and finite differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cotune.numerics import gp
from cotune.numerics.gp import Posterior
from cotune.numerics.hypervolume import Front, LogExpectedHypervolumeImprovement
from cotune.numerics.pareto import staircase

THETA = np.log([0.4, 0.9, 0.6, 1.7, 0.03])


def data(n: int = 18) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, two standardised losses, and where to look."""
    random = np.random.default_rng(0)
    x = random.random((n, 3))
    y = np.stack([np.sin(5 * x[:, 0]) + x[:, 1], np.cos(4 * x[:, 0]) + x[:, 2] ** 2], axis=1)
    return x, (y - y.mean(axis=0)) / y.std(axis=0), random.random((9, 3))


def posteriors(x: np.ndarray, y: np.ndarray) -> tuple[Posterior, Posterior]:
    prior = gp.prior(np.arange(3), alike=False)
    return gp.condition(prior, THETA, x, y[:, 0]), gp.condition(prior, THETA, x, y[:, 1])


def botorch_says(x: np.ndarray, y: np.ndarray, reference: np.ndarray, at: np.ndarray, means: list[float]) -> np.ndarray:
    """Expected hypervolume improvement of two of BoTorch's exact processes with the hyperparameters THETA."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
        from botorch.models import ModelListGP, SingleTaskGP
        from botorch.utils.multi_objective.box_decompositions import FastNondominatedPartitioning
        from gpytorch.kernels import MaternKernel, ScaleKernel

        models, values = [], torch.from_numpy(np.exp(THETA))
        for column, mean in zip(y.T, means, strict=True):
            kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=3))
            target = -torch.from_numpy(column)[:, None]
            model = SingleTaskGP(torch.from_numpy(x), target, covar_module=kernel, outcome_transform=None)
            kernel.base_kernel.lengthscale, kernel.outputscale = values[:3], values[3]
            model.likelihood.noise_covar.noise = values[4]
            model.mean_module.constant = -mean
            models.append(model.eval())
        lowest = -torch.from_numpy(reference)
        parts = FastNondominatedPartitioning(ref_point=lowest, Y=-torch.from_numpy(y))
        acquisition = ExpectedHypervolumeImprovement(ModelListGP(*models), lowest.tolist(), parts)
        return acquisition(torch.from_numpy(at)[:, None, :]).numpy()


def test_it_agrees_with_botorch() -> None:
    x, y, at = data()
    both, reference = posteriors(x, y), y.max(axis=0) + 0.1
    expected = botorch_says(x, y, reference, at, [float(one.mean) for one in both])
    ours = LogExpectedHypervolumeImprovement(both, Front.of(y, reference))
    assert np.exp(ours.value(at)) == pytest.approx(expected, abs=1e-8, rel=0.0)
    assert expected.max() > 0.01


def test_it_is_the_mean_of_what_results_would_add() -> None:
    x, y, at = data()
    both, reference = posteriors(x, y), y.max(axis=0) + 0.1
    front = Front.of(y, reference)
    at = at[[LogExpectedHypervolumeImprovement(both, front).value(at).argmax()]]
    (mean, sd) = (
        np.array([value[0] for value in pair]) for pair in zip(*(one.predict(at) for one in both), strict=True)
    )
    grid = (np.arange(120) + 0.5) / 120
    levels = torch.special.ndtri(torch.from_numpy(grid)).numpy()
    added = [
        Front.of(np.vstack([y, mean + np.sqrt(sd) * [a, b]]), reference).volume - front.volume
        for a in levels for b in levels
    ]  # fmt: skip
    found = LogExpectedHypervolumeImprovement(both, front).value(at)
    assert np.exp(found)[0] == pytest.approx(np.mean(added), rel=0.02)


def test_the_gradient_agrees_with_differences() -> None:
    x, y, at = data()
    ours = LogExpectedHypervolumeImprovement(posteriors(x, y), Front.of(y, y.max(axis=0) + 0.1))
    value, gradient = ours.negative(at)
    moves = 1e-6 * np.eye(3)
    expected = np.stack([(ours.negative(at + m)[0] - ours.negative(at - m)[0]) / 2e-6 for m in moves], axis=1)
    assert value == pytest.approx(-ours.value(at)) and gradient == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_where_nothing_can_be_gained_value_and_slope_are_finite() -> None:
    x, y, at = data()
    low = np.array([[-60.0, -60.0]])
    ours = LogExpectedHypervolumeImprovement(posteriors(x, y), Front.of(low, np.zeros(2)))
    value, gradient = ours.negative(at)
    assert np.isfinite(value).all() and (value > 100).all() and np.isfinite(gradient).all()


@given(arrays.arrays(np.int64, st.tuples(st.integers(0, 12), st.just(2)), elements=st.integers(0, 6)))
def test_a_staircase_is_what_nothing_dominates(points: np.ndarray) -> None:
    rows = staircase(points.astype(float))
    is_dominated = [
        any((other <= point).all() and (other < point).any() for other in points) for point in points
    ]  # fmt: skip
    distinct = {tuple(point) for point, dominated in zip(points.tolist(), is_dominated, strict=True) if not dominated}
    assert {tuple(point) for point in points[rows].tolist()} == distinct and len(rows) == len(distinct)
    cells = np.array([(a, b) for a in range(6) for b in range(6)])
    covered = sum(any((point <= cell).all() for point in points) for cell in cells)
    assert Front.of(points.astype(float), np.array([6.0, 6.0])).volume == covered
