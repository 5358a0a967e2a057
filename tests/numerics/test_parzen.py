from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cotune.numerics.parzen import Parzen, fitted

stats = pytest.importorskip("scipy.stats")

ONE = {"counts": np.array([np.inf]), "is_ordered": np.array([True])}
MIXED = {"counts": np.array([np.inf, 4.0, np.inf]), "is_ordered": np.array([True, False, True])}


def density(parzen: Parzen, points: np.ndarray) -> np.ndarray:
    active = ~np.isnan(points)
    return np.exp(parzen.log_density(np.where(active, points, 0.5), active))


def middles(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


@given(arrays(np.float64, st.integers(0, 12), elements=st.floats(0.0, 1.0)))
def test_a_density_of_one_number_integrates_to_one(observed: np.ndarray) -> None:
    parzen = fitted(observed[:, None], np.ones(len(observed)), **ONE)
    assert density(parzen, middles(4_000)[:, None]).mean() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("n_choices", [1, 2, 7])
def test_a_density_of_choices_sums_to_one(n_choices: int) -> None:
    columns = {"counts": np.array([float(n_choices)]), "is_ordered": np.array([False])}
    choices = middles(n_choices)[:, None]
    parzen = fitted(choices[[0, -1, 0]], np.array([1.0, 2.0, 0.5]), **columns)
    assert density(parzen, choices).mean() == pytest.approx(1.0)


def test_a_density_over_branches_integrates_to_one() -> None:
    """The third column exists only with the first two choices of the second; half of the cube does without it."""
    random = np.random.default_rng(0)
    observed = np.column_stack([random.random(20), random.choice(middles(4), 20), random.random(20)])
    observed[observed[:, 1] > 0.5, 2] = np.nan
    parzen = fitted(observed, np.ones(20), **MIXED)
    points = np.stack(np.meshgrid(middles(150), middles(4), middles(150)), axis=-1).reshape(-1, 3)
    points[points[:, 1] > 0.5, 2] = np.nan
    assert density(parzen, points).mean() == pytest.approx(1.0, abs=1e-3)


def test_a_density_is_the_mixture_of_truncated_normals_that_scipy_computes() -> None:
    observed, weights, points = np.array([0.1, 0.35, 0.95]), np.array([1.0, 2.0, 0.5]), np.linspace(0.0, 1.0, 11)
    expected = np.full(11, 1.0)  # the flat kernel
    for centre, sd, weight in zip(observed, [0.25, 0.6, 0.6], weights, strict=True):
        normal = stats.truncnorm(-centre / sd, (1.0 - centre) / sd, centre, sd)
        expected += weight * normal.pdf(points)
    found = density(fitted(observed[:, None], weights, **ONE), points[:, None])
    np.testing.assert_allclose(found, expected / 4.5, rtol=1e-12)


def test_columns_multiply_within_a_kernel() -> None:
    """Two observations on a diagonal make their own corners more likely than the other two."""
    columns = {"counts": np.full(2, np.inf), "is_ordered": np.full(2, True)}
    observed = np.repeat([[0.2, 0.2], [0.8, 0.8]], 8, axis=0)
    parzen = fitted(observed, np.ones(16), **columns)
    same, other = density(parzen, np.array([[0.2, 0.2], [0.2, 0.8]]))
    assert same > 5.0 * other


def test_a_kernel_is_flat_where_its_observation_has_nothing() -> None:
    columns = {"counts": np.full(2, np.inf), "is_ordered": np.full(2, True)}
    parzen = fitted(np.array([[0.3, np.nan]]), np.ones(1), **columns)
    points = np.array([[0.3, 0.0], [0.3, 0.5], [0.3, 1.0], [0.3, np.nan]])
    assert np.ptp(density(parzen, points)) < 1e-12


def test_without_observations_everything_is_as_likely() -> None:
    parzen = fitted(np.empty((0, 3)), np.empty(0), **MIXED)
    points = parzen.sample(np.random.default_rng(0), 50)
    assert density(parzen, points) == pytest.approx(1.0)


def test_samples_follow_the_density() -> None:
    parzen = fitted(np.array([[0.1], [0.2], [0.7]]), np.array([1.0, 1.0, 3.0]), **ONE)
    sample = parzen.sample(np.random.default_rng(0), 20_000)[:, 0]
    grid = middles(1_000)
    shares = np.cumsum(density(parzen, grid[:, None])) / 1_000
    assert stats.kstest(sample, lambda x: np.interp(x, grid + 0.0005, shares)).pvalue > 0.01


def test_sampled_choices_follow_the_density() -> None:
    columns = {"counts": np.array([5.0]), "is_ordered": np.array([False])}
    parzen = fitted(middles(5)[[1, 1, 3]][:, None], np.ones(3), **columns)
    drawn = np.floor(parzen.sample(np.random.default_rng(0), 20_000)[:, 0] * 5).astype(int)
    expected = density(parzen, middles(5)[:, None]) / 5 * 20_000
    assert stats.chisquare(np.bincount(drawn, minlength=5), expected).pvalue > 0.01


def test_samples_of_extreme_kernels_stay_in_the_cube() -> None:
    parzen = fitted(np.tile([[0.0], [1.0]], (300, 1)), np.ones(600), **ONE)
    sample = parzen.sample(np.random.default_rng(0), 5_000)
    assert np.all((sample >= 0.0) & (sample <= 1.0))
