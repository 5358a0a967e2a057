"""The Gaussian process against BoTorch, SciPy and finite differences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.stats import gamma, multivariate_normal

from cotune.numerics import gp
from cotune.numerics.acquisition import LogExpectedImprovement, explore_share, log_h

THETA = np.array([math.log(0.4), math.log(0.9), math.log(0.6), math.log(1.7), math.log(0.03)])


def data(n: int = 18, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.random((n, 3))
    y = np.sin(5 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * random.standard_normal(n)
    return x, (y - y.mean()) / y.std(), random.random((7, 3))


def prior(groups: tuple[int, ...] = (0, 1, 2), *, alike: bool = False) -> gp.Prior:
    return gp.prior(np.array(groups), alike=alike)


def density(theta: np.ndarray, belief: gp.Prior, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minus the log posterior density at rows of theta, and its gradient."""
    value, gradient = gp.negative_log_posterior(
        torch.from_numpy(np.atleast_2d(theta)), belief, torch.from_numpy(x), torch.from_numpy(y)
    )
    return value.numpy(), gradient.numpy()


def differences(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, step: float) -> np.ndarray:
    """Central differences of `function` along each column of `at`."""
    moves = step * np.eye(at.shape[1])
    return np.stack([(function(at + move) - function(at - move)) / (2 * step) for move in moves], axis=1)


def botorch_says(
    x: np.ndarray, y: np.ndarray, at: np.ndarray, mean: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and log expected improvement of BoTorch's exact process with the hyperparameters THETA."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        from botorch.acquisition import LogExpectedImprovement as Reference
        from botorch.models import SingleTaskGP
        from gpytorch.kernels import MaternKernel, ScaleKernel

        kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=3))
        model = SingleTaskGP(
            torch.from_numpy(x), torch.from_numpy(y)[:, None], covar_module=kernel, outcome_transform=None
        )
        values = torch.from_numpy(np.exp(THETA))
        kernel.base_kernel.lengthscale, kernel.outputscale = values[:3], values[3]
        model.likelihood.noise_covar.noise = values[4]
        model.mean_module.constant = mean
        model.eval()
        points = torch.from_numpy(at)
        posterior = model.posterior(points)
        improvement = Reference(model, best_f=torch.tensor(y.min()), maximize=False)(points[:, None, :])
    return posterior.mean[:, 0].numpy(), posterior.variance[:, 0].numpy(), improvement.numpy()


def test_mean_variance_and_acquisition_agree_with_botorch() -> None:
    x, y, at = data()
    ours = gp.condition(prior(), THETA, x, y)
    mean, variance, improvement = botorch_says(x, y, at, float(ours.mean))
    assert ours.predict(at)[0] == pytest.approx(mean, abs=1e-8)
    assert ours.predict(at)[1] == pytest.approx(variance, abs=1e-8)
    assert LogExpectedImprovement(ours, y.min()).value(at) == pytest.approx(improvement, abs=1e-8)


def test_pending_trials_change_no_mean_and_narrow_the_variance_as_believed_results_would() -> None:
    x, y, at = data()
    plain, waiting = gp.condition(prior(), THETA, x, y), gp.condition(prior(), THETA, x, y, at[:2])
    mean, variance = waiting.predict(at)
    assert mean == pytest.approx(plain.predict(at)[0], abs=1e-10)
    assert (variance <= plain.predict(at)[1] + 1e-12).all() and variance[0] < 0.9 * plain.predict(at)[1][0]
    believed = np.concatenate([y, plain.predict(at[:2])[0]])
    expected = botorch_says(np.concatenate([x, at[:2]]), believed, at, float(plain.mean))
    assert variance == pytest.approx(expected[1], abs=1e-8)
    assert waiting.fitted[-2:] == pytest.approx(believed[-2:], abs=1e-10)


@pytest.mark.parametrize("alike", [False, True])
def test_the_gradient_of_the_posterior_density_agrees_with_differences(alike: bool) -> None:
    x, y, _ = data()
    belief = prior((0, 1, 1), alike=alike)  # two columns share a lengthscale
    theta = np.array([[-0.7, 0.2, 0.3, -2.0], [0.5, -0.1, -0.4, -5.0]])
    expected = differences(lambda at: density(at, belief, x, y)[0], theta, 1e-5)
    assert density(theta, belief, x, y)[1] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_posterior_density_is_scipys_up_to_a_constant() -> None:
    x, y, _ = data()
    belief = prior()

    def expected(theta: np.ndarray) -> float:
        z = torch.from_numpy(x * np.exp(-theta[:3]))
        kernel = gp.matern52(gp.squared_distance(z, z))[0].numpy() * np.exp(theta[3]) + np.exp(theta[4]) * np.eye(
            len(x)
        )
        weights = np.linalg.inv(kernel).sum(axis=0)
        mean = np.full(len(x), weights @ y / weights.sum())
        hyper = multivariate_normal(belief.mean.numpy(), np.linalg.inv(belief.precision.numpy())).logpdf(theta[:4])
        return multivariate_normal(mean, kernel).logpdf(y) + hyper + gamma(1.1, scale=1 / 30).logpdf(np.exp(theta[4]))

    other = THETA + np.array([0.2, -0.3, 0.1, 0.4, -0.5])
    assert density(THETA, belief, x, y)[0] - density(other, belief, x, y)[0] == pytest.approx(
        expected(other) - expected(THETA), rel=1e-9
    )


def test_the_gradients_of_the_acquisition_agree_with_differences() -> None:
    x, y, at = data()
    acquisition = LogExpectedImprovement(gp.condition(prior(), THETA, x, y, at[:1]), y.min())
    value, gradient = acquisition.negative(at)
    assert -value == pytest.approx(acquisition.value(at), abs=1e-12)
    assert gradient == pytest.approx(differences(lambda x: -acquisition.value(x), at, 1e-6), rel=1e-4, abs=1e-5)


def test_log_h_is_exact_in_all_three_branches() -> None:
    from mpmath import erfc, exp, log, mp, mpf, pi, sqrt

    mp.dps = 400
    for z in (-300.0, -41.0, -40.0, -39.0, -7.0, -1.001, -0.999, 0.0, 3.0, 30.0):
        exact = log(exp(-(mpf(z) ** 2) / 2) / sqrt(2 * pi) + mpf(z) * erfc(-mpf(z) / sqrt(2)) / 2)
        alone, among_others = log_h(np.array([z]))[0][0], log_h(np.array([z, -50.0, -2.0, 1.0]))[0][0]
        assert alone == pytest.approx(float(exact), rel=1e-9) and alone == among_others


def test_a_fit_finds_which_inputs_matter_and_how_large_the_noise_is() -> None:
    random = np.random.default_rng(2)
    x = random.random((120, 3))
    y = np.sin(6 * x[:, 0]) + 0.2 * random.standard_normal(120)
    belief = prior()
    theta = gp.fit(belief, x, (y - y.mean()) / y.std(), belief.start[None], iterations=60)
    assert theta[0] + 1.0 < min(theta[1], theta[2])  # a short lengthscale where it matters
    assert np.exp(theta[4] / 2) * y.std() == pytest.approx(0.2, rel=0.25)


def test_a_fit_is_not_worse_than_scipys_from_the_same_start() -> None:
    x, y, _ = data(30)
    belief = prior()

    def scalar(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density(theta, belief, x, y)
        return float(value[0]), gradient[0]

    bounds = list(zip(belief.low.tolist(), belief.high.tolist(), strict=True))
    reference = scipy_minimize(scalar, belief.start, jac=True, method="L-BFGS-B", bounds=bounds).fun
    assert scalar(gp.fit(belief, x, y, belief.start[None], iterations=100))[0] <= reference + 0.01


def test_equal_inputs_without_noise_are_still_inverted() -> None:
    theta = np.array([5.0, 5.0, 5.0, 3.0, math.log(1e-7)])
    mean, variance = gp.condition(prior(), theta, np.zeros((6, 3)), np.zeros(6)).predict(np.zeros((1, 3)))
    assert mean[0] == pytest.approx(0.0) and variance[0] < 1e-3


def test_the_explore_share_is_all_where_the_mean_promises_nothing() -> None:
    assert explore_share(1.0, 1.0, 0.0) == explore_share(0.0, 1.0, 0.0) == pytest.approx(1.0)
    assert explore_share(-5.0, 1.0, 0.0) < 1e-5


def test_noise_that_differs_between_results_is_in_the_kernel_matrix_as_the_textbook_has_it() -> None:
    x, y, at = data()
    extra = np.random.default_rng(3).uniform(0.2, 5.0, len(y))
    posterior = gp.condition(prior(), THETA, x, y, extra=extra)
    scale, signal, noise = np.exp(-THETA[:3]), np.exp(THETA[3]), np.exp(THETA[4])

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        apart = gp.squared_distance(torch.from_numpy(a * scale), torch.from_numpy(b * scale))
        return signal * gp.matern52(apart)[0].numpy()

    inverse = np.linalg.inv(kernel(x, x) + noise * np.eye(len(y)) + np.diag(extra))
    mean = inverse.sum(axis=0) @ y / inverse.sum()
    expected = mean + kernel(at, x) @ inverse @ (y - mean)
    assert posterior.predict(at)[0] == pytest.approx(expected, abs=1e-10)
    assert posterior.fitted == pytest.approx(mean + kernel(x, x) @ inverse @ (y - mean), abs=1e-10)


def test_the_gradient_agrees_with_differences_where_noise_differs() -> None:
    x, y, _ = data()
    belief, extra = prior(), torch.from_numpy(np.random.default_rng(3).uniform(0.2, 5.0, len(y)))
    theta = np.array([[-0.7, 0.2, 0.4, 0.3, -2.0]])

    def both(at: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return gp.negative_log_posterior(torch.from_numpy(at), belief, torch.from_numpy(x), torch.from_numpy(y), extra)

    expected = differences(lambda at: both(at)[0].numpy(), theta, 1e-5)
    assert both(theta)[1].numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_noise_that_is_the_same_everywhere_is_the_common_noise() -> None:
    x, y, at = data()
    noise = np.exp(THETA[4])
    less = np.array([*THETA[:4], math.log(noise / 3)])
    plain = gp.condition(prior(), THETA, x, y, at[:2]).predict(at)
    same = gp.condition(prior(), less, x, y, at[:2], np.full(len(y), 2 * noise / 3)).predict(at)
    assert plain[0] == pytest.approx(same[0], abs=1e-10)
