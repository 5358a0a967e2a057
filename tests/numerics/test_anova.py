"""The process of main effects and interactions against differences, brute force and its own definition."""

from __future__ import annotations

import numpy as np
import torch
from pytest import approx

from cotune.numerics import anova
from cotune.numerics.anova import Points
from cotune.numerics.anova_paths import Hold, Move, Paths, paths

D = 3
THETA = np.array([-0.8, 0.1, 0.4, 0.5, -0.3, 0.2, 0.3, -3.0])


def points(n: int, seed: int = 0, *, has_child: bool = True) -> Points:
    """A number, a choice of three, and a number that is active with the first choice only."""
    units = np.random.default_rng(seed).random((n, D))
    units[:, 1] = (np.floor(units[:, 1] * 3) + 0.5) / 3
    active = np.ones((n, D), dtype=np.bool_)
    active[:, 2] = units[:, 1] < 0.3 if has_child else True
    return Points(units, active, np.array([True, False, True]))


def targets(seen: Points) -> np.ndarray:
    y = np.sin(5 * seen.units[:, 0]) + seen.units[:, 1] + np.where(seen.active[:, 2], seen.units[:, 2], 0.0)
    return (y - y.mean()) / y.std()


def posterior(n: int = 30) -> anova.Posterior:
    return anova.condition(THETA, points(n), targets(points(n)))


def drawn(n: int = 4) -> Paths:
    return paths(posterior(), points(12, seed=5), n, np.random.default_rng(1))


def at(functions: Paths, where: Points) -> np.ndarray:
    kernel = anova.covariance(functions.theta, where, functions.centres)
    return (functions.mean + kernel @ functions.weights).numpy()


def test_gradients_are_the_differences() -> None:
    seen = points(15)
    data = anova.distances(seen, seen), torch.from_numpy(seen.is_number), torch.from_numpy(targets(seen))
    value = lambda theta: float(anova.negative_log_posterior(torch.from_numpy(theta), *data)[0])  # noqa: E731
    gradient = anova.negative_log_posterior(torch.from_numpy(THETA), *data)[1].numpy()
    moves = 1e-5 * np.eye(len(THETA))
    assert gradient == approx([(value(THETA + m) - value(THETA - m)) / 2e-5 for m in moves], abs=1e-5, rel=1e-5)


def test_the_covariance_is_a_valid_one_and_ignores_what_is_inactive() -> None:
    seen = points(40)
    other = Points(np.where(seen.active, seen.units, 0.123), seen.active, seen.is_number)
    kernel = anova.covariance(torch.from_numpy(THETA), seen, seen)
    assert torch.equal(kernel, anova.covariance(torch.from_numpy(THETA), other, other))
    assert np.linalg.eigvalsh(kernel.numpy()).min() > -1e-9


def test_errors_of_left_out_targets_are_those_of_leaving_them_out() -> None:
    seen, y = points(12), targets(points(12))
    errors = anova.condition(THETA, seen, y).left_out()
    for i in range(len(y)):
        rest = np.delete(np.arange(len(y)), i)
        without = anova.condition(THETA, seen.rows(rest), y[rest])
        k = anova.covariance(without.theta, seen.rows(np.array([i])), seen.rows(rest))
        assert errors[i] == approx(y[i] - float(without.mean + k @ without.alpha), abs=1e-8)


def test_columns_that_are_exchanged_give_what_computing_anew_gives() -> None:
    functions, here, there = drawn(), points(20, seed=2), points(20, seed=3)
    moves, moved = [], []
    for j in range(D):
        units = here.units.copy()
        units[:, j] = there.units[:, j]
        active = np.ones_like(here.active)
        active[:, 2] = units[:, 1] < 0.3
        moves.append(Move(j, (2,) if j == 1 else (), active))
        moved.append(Points(units, active, here.is_number))
    found, _ = functions.exchanged(here, there, moves, [])
    assert found == approx(np.stack([at(functions, each) for each in (here, *moved)]), abs=1e-9)


def test_averages_with_a_column_held_are_those_of_computing_anew() -> None:
    functions, here, values = drawn(), points(25, seed=4), np.array([1 / 6, 0.5, 5 / 6])
    held = np.repeat(here.units[None], 3, axis=0)
    held[:, :, 1] = values[:, None]
    active = np.ones(held.shape, dtype=np.bool_)
    active[:, :, 2] = held[:, :, 1] < 0.3
    [found] = functions.averages(here, [Hold(1, (2,), values, active)])
    anew = [at(functions, Points(u, a, here.is_number)).mean(axis=0) for u, a in zip(held, active, strict=True)]
    assert found == approx(np.stack(anew), abs=1e-9)


def test_a_conditional_column_is_averaged_where_it_is_active() -> None:
    functions, here = drawn(), points(25, seed=4)
    rows = here.rows(np.flatnonzero(here.active[:, 2]))
    [found] = functions.averages(here, [Hold(2, (), np.array([0.2]), np.empty(0, dtype=np.bool_))])
    units = rows.units.copy()
    units[:, 2] = 0.2
    assert found[0] == approx(at(functions, Points(units, rows.active, rows.is_number)).mean(axis=0), abs=1e-9)


def test_draws_have_the_mean_and_the_spread_of_the_posterior() -> None:
    told, between = posterior(), points(12, seed=5)
    functions = paths(told, between, 4000, np.random.default_rng(1))
    values = at(functions, between)
    k = anova.covariance(told.theta, between, told.points)
    prior = anova.covariance(told.theta, between, between)
    variance = (prior - k @ told.inverse @ k.T).diagonal().numpy()
    assert values[:, 1:].mean(axis=1) == approx(values[:, 0], abs=0.05)
    assert values[:, 1:].var(axis=1) == approx(variance, rel=0.12, abs=1e-3)


def test_hyperparameters_that_are_plausible_lie_around_the_likeliest() -> None:
    seen = points(60)
    likeliest = anova.fit(seen, targets(seen))
    several = anova.plausible(likeliest, seen, 200, np.random.default_rng(0))
    assert np.array_equal(several[0], likeliest)
    data = anova.distances(seen, seen), torch.from_numpy(seen.is_number), torch.from_numpy(targets(seen))
    values = [float(anova.negative_log_posterior(torch.from_numpy(theta), *data)[0]) for theta in several]
    assert np.median(values) - values[0] < len(likeliest), "about half a unit for each of them"
