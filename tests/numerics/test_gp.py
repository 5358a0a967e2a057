"""The Gaussian process against BoTorch, SciPy and finite differences."""

import math
import warnings

import numpy as np
import pytest
import torch

from cotune.numerics import gp
from cotune.numerics.acquisition import LogExpectedImprovement, explore_share, log_h

F64 = torch.float64
THETA = torch.tensor([math.log(0.4), math.log(0.9), math.log(0.6), math.log(1.7), math.log(0.03)], dtype=F64)


def data(n: int = 18, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, dtype=F64, generator=generator)
    y = torch.sin(5 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * torch.randn(n, dtype=F64, generator=generator)
    return x, (y - y.mean()) / y.std(), torch.rand(7, 3, dtype=F64, generator=generator)


def prior(alike: bool = False, d: int = 3) -> gp.Prior:
    return gp.prior(torch.arange(d), alike=alike)


def botorch_model(x: torch.Tensor, y: torch.Tensor, posterior: gp.Posterior):
    """BoTorch's exact process with the same hyperparameters and mean."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from botorch.models import SingleTaskGP
        from gpytorch.kernels import MaternKernel, ScaleKernel

        model = SingleTaskGP(
            x, y[:, None], covar_module=ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=3)), outcome_transform=None
        )
        model.covar_module.base_kernel.lengthscale = THETA[:3].exp()
        model.covar_module.outputscale = THETA[3].exp()
        model.likelihood.noise_covar.noise = THETA[4].exp()
        model.mean_module.constant = float(posterior.mean)
        return model.eval()


def test_mean_variance_and_acquisition_agree_with_botorch() -> None:
    x, y, at = data()
    ours = gp.condition(prior(), THETA, x, y)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        from botorch.acquisition import LogExpectedImprovement as Reference

        model = botorch_model(x, y, ours)
        theirs = model.posterior(at)
        best = y.min()
        reference = Reference(model, best_f=best, maximize=False)(at[:, None, :])
    mean, variance = ours.predict(at)
    assert torch.allclose(mean, theirs.mean[:, 0], atol=1e-8, rtol=0)
    assert torch.allclose(variance, theirs.variance[:, 0], atol=1e-8, rtol=0)
    assert torch.allclose(LogExpectedImprovement(ours, best).value(at), reference, atol=1e-8, rtol=1e-8)


def test_pending_trials_change_no_mean_and_narrow_the_variance_as_botorchs_fantasies_do() -> None:
    x, y, at = data()
    pending = at[:2]
    plain, waiting = gp.condition(prior(), THETA, x, y), gp.condition(prior(), THETA, x, y, pending)
    mean, variance = waiting.predict(at)
    assert torch.allclose(mean, plain.predict(at)[0], atol=1e-10)
    assert bool((variance <= plain.predict(at)[1] + 1e-12).all()) and float(variance[0]) < 0.9 * float(
        plain.predict(at)[1][0]
    )
    believed = torch.cat([y, plain.predict(pending)[0]])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        theirs = botorch_model(torch.cat([x, pending]), believed, plain).posterior(at)
    assert torch.allclose(variance, theirs.variance[:, 0], atol=1e-8, rtol=0)
    assert torch.allclose(waiting.fitted[-2:], plain.predict(pending)[0], atol=1e-10)


@pytest.mark.parametrize("alike", [False, True])
def test_the_gradient_of_the_posterior_density_agrees_with_differences(alike: bool) -> None:
    x, y, _ = data()
    groups = torch.tensor([0, 1, 1])  # two columns share a lengthscale
    belief = gp.prior(groups, alike=alike)
    hot = torch.nn.functional.one_hot(groups, 2).double()
    theta = torch.tensor([[-0.7, 0.2, 0.3, -2.0], [0.5, -0.1, -0.4, -5.0]], dtype=F64)
    _, gradient = gp.negative_log_posterior(theta, belief, x, y, hot)
    for j in range(4):
        step = torch.zeros(4, dtype=F64)
        step[j] = 1e-5
        above = gp.negative_log_posterior(theta + step, belief, x, y, hot)[0]
        below = gp.negative_log_posterior(theta - step, belief, x, y, hot)[0]
        assert gradient[:, j].numpy() == pytest.approx(((above - below) / 2e-5).numpy(), rel=1e-6, abs=1e-7)


def test_the_posterior_density_agrees_with_scipys_normal() -> None:
    from scipy.stats import gamma, multivariate_normal

    x, y, _ = data()
    belief = prior()
    hot = torch.eye(3, dtype=F64)
    kernel = (
        gp.matern52(gp.squared_distance(x * torch.exp(-THETA[:3]), x * torch.exp(-THETA[:3])))[0] * THETA[3].exp()
    ).numpy()
    kernel += THETA[4].exp().item() * np.eye(len(x))
    inverse = np.linalg.inv(kernel)
    mean = inverse.sum(0) @ y.numpy() / inverse.sum()

    def log_density(theta: torch.Tensor) -> float:
        return -gp.negative_log_posterior(theta[None], belief, x, y, hot)[0].item()

    other = THETA.clone()
    other[4] += 0.3  # constants that do not depend on theta cancel in a difference
    shift = gamma(1.1, scale=1 / 30).logpdf(other[4].exp().item()) - gamma(1.1, scale=1 / 30).logpdf(
        THETA[4].exp().item()
    )
    noisier = kernel + (other[4].exp() - THETA[4].exp()).item() * np.eye(len(x))
    inverse = np.linalg.inv(noisier)
    mean_there = inverse.sum(0) @ y.numpy() / inverse.sum()
    there = multivariate_normal(np.full(len(x), mean_there), noisier).logpdf(y.numpy())
    here = multivariate_normal(np.full(len(x), mean), kernel).logpdf(y.numpy())
    assert log_density(other) - log_density(THETA) == pytest.approx(there - here + shift, rel=1e-9)


def test_the_gradients_of_the_acquisition_agree_with_differences() -> None:
    x, y, at = data()
    acquisition = LogExpectedImprovement(gp.condition(prior(), THETA, x, y, at[:1]), y.min())
    value, gradient = acquisition.negative(at)
    assert torch.allclose(-value, acquisition.value(at), atol=1e-12)
    for j in range(3):
        step = torch.zeros(3, dtype=F64)
        step[j] = 1e-6
        difference = (acquisition.negative(at + step)[0] - acquisition.negative(at - step)[0]) / 2e-6
        assert gradient[:, j].numpy() == pytest.approx(difference.numpy(), rel=1e-4, abs=1e-5)


def test_log_h_is_exact_in_all_three_branches() -> None:
    from mpmath import erfc, exp, log, mp, mpf, pi, sqrt

    mp.dps = 60
    for z in (-300.0, -41.0, -40.0, -39.0, -7.0, -1.001, -0.999, 0.0, 3.0, 30.0):
        exact = log(exp(-(mpf(z) ** 2) / 2) / sqrt(2 * pi) + mpf(z) * erfc(-mpf(z) / sqrt(2)) / 2)
        assert float(log_h(torch.tensor([z], dtype=F64))[0]) == pytest.approx(float(exact), rel=1e-9)
        mixed = log_h(torch.tensor([z, -50.0, -2.0, 1.0], dtype=F64))[0][0]
        assert float(mixed) == float(log_h(torch.tensor([z], dtype=F64))[0])


def test_a_fit_finds_which_inputs_matter_and_how_large_the_noise_is() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(120, 3, dtype=F64, generator=generator)
    y = torch.sin(6 * x[:, 0]) + 0.2 * torch.randn(120, dtype=F64, generator=generator)
    spread = y.std()
    belief = prior()
    theta = gp.fit(belief, x, (y - y.mean()) / spread, belief.start[None], iterations=60)
    assert theta[0] + 1.0 < min(theta[1], theta[2])  # a short lengthscale where it matters
    assert theta[4].exp().sqrt() * spread == pytest.approx(0.2, rel=0.25)


def test_a_fit_is_not_worse_than_scipy_from_the_same_start() -> None:
    from scipy.optimize import minimize

    x, y, _ = data(30)
    belief, hot = prior(), torch.eye(3, dtype=F64)

    def scalar(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = gp.negative_log_posterior(torch.tensor(theta)[None], belief, x, y, hot)
        return value.item(), gradient[0].numpy()

    bounds = list(zip(belief.low.tolist(), belief.high.tolist(), strict=True))
    reference = minimize(scalar, belief.start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds).fun
    assert scalar(gp.fit(belief, x, y, belief.start[None], iterations=100).numpy())[0] <= reference + 0.01


def test_equal_inputs_with_no_noise_are_still_inverted() -> None:
    x = torch.zeros(6, 3, dtype=F64)
    theta = torch.tensor([5.0, 5.0, 5.0, 3.0, math.log(1e-7)], dtype=F64)
    mean, variance = gp.condition(prior(), theta, x, torch.zeros(6, dtype=F64)).predict(x[:1])
    assert float(mean) == pytest.approx(0.0) and float(variance) < 1e-3


def test_the_explore_share_is_all_where_the_mean_promises_nothing() -> None:
    one, zero = torch.ones(1, dtype=F64), torch.zeros(1, dtype=F64)
    assert float(explore_share(one, one, zero)) == 1.0
    assert float(explore_share(zero, one, zero)) == pytest.approx(1.0)
    assert float(explore_share(-5 * one, one, zero)) < 1e-5
