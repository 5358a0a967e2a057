"""The distribution's update against the tutorial's closed forms, and what must not change it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cotune.numerics import categories, cma
from cotune.numerics.margin import with_margin


def rosenbrock(x: np.ndarray) -> np.ndarray:
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1)


def told(state: cma.Normal, n_generations: int, seed: int = 0) -> cma.Normal:
    random = np.random.default_rng(seed)
    for _ in range(n_generations):
        solutions = cma.ask(state, random, 8)
        state = cma.tell(state, solutions, rosenbrock(solutions))
    return state


@pytest.mark.parametrize(("n", "population"), [(1, 4), (5, 8), (20, 12), (50, 200)])
def test_the_weights_are_those_of_table_1(n: int, population: int) -> None:
    rates = cma.rates(n, population)
    raw = [math.log((population + 1) / 2) - math.log(i) for i in range(1, population + 1)]
    positive, negative = [w for w in raw if w > 0], [w for w in raw if w < 0]
    half = raw[: population // 2]
    assert rates.mu_eff == pytest.approx(sum(half) ** 2 / sum(w * w for w in half))
    assert rates.weights[: len(positive)] == pytest.approx([w / sum(positive) for w in positive])
    mu_minus = sum(raw[population // 2 :]) ** 2 / sum(w * w for w in raw[population // 2 :])
    largest = min(
        1 + rates.c_1 / rates.c_mu,
        1 + 2 * mu_minus / (rates.mu_eff + 2),
        (1 - rates.c_1 - rates.c_mu) / (n * rates.c_mu),
    )
    assert -rates.weights[rates.weights < 0].sum() == pytest.approx(largest)
    assert rates.weights[rates.weights < 0] == pytest.approx([largest * w / -sum(negative) for w in negative])


@pytest.mark.parametrize(("n", "population"), [(1, 4), (5, 8), (20, 12), (50, 200)])
def test_the_learning_rates_are_those_of_table_1(n: int, population: int) -> None:
    rates = cma.rates(n, population)
    mu = rates.mu_eff
    c_sigma = (mu + 2) / (n + mu + 5)
    assert rates.c_sigma == pytest.approx(c_sigma)
    assert rates.d_sigma == pytest.approx(1 + 2 * max(0, math.sqrt((mu - 1) / (n + 1)) - 1) + c_sigma)
    assert rates.c_c == pytest.approx((4 + mu / n) / (n + 4 + 2 * mu / n))
    assert rates.c_1 == pytest.approx(2 / ((n + 1.3) ** 2 + mu))
    assert rates.c_mu == pytest.approx(min(1 - rates.c_1, 2 * (0.25 + mu + 1 / mu - 2) / ((n + 2) ** 2 + mu)))


def test_the_default_population_is_that_of_table_1() -> None:
    assert [cma.default_population(n) for n in (1, 2, 5, 10, 20)] == [4, 6, 8, 10, 12]


def test_a_rotated_problem_gives_the_rotated_path() -> None:
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    plain = rotated = cma.begin(np.full(4, 0.5), np.full(4, 0.3))
    rotated = cma.begin(turn @ plain.mean, np.full(4, 0.3))
    random = np.random.default_rng(0)
    for _ in range(30):
        solutions = cma.ask(plain, random, 8)
        losses = rosenbrock(solutions)
        plain, rotated = cma.tell(plain, solutions, losses), cma.tell(rotated, solutions @ turn.T, losses)
    assert rotated.mean == pytest.approx(turn @ plain.mean, rel=1e-8)
    assert rotated.sigma == pytest.approx(plain.sigma, rel=1e-8)
    assert rotated.covariance == pytest.approx(turn @ plain.covariance @ turn.T, rel=1e-7, abs=1e-9)


def test_only_the_order_of_losses_counts() -> None:
    state, random = cma.begin(np.zeros(3), np.ones(3)), np.random.default_rng(0)
    solutions = cma.ask(state, random, 7)
    losses = rosenbrock(solutions)
    one, other = cma.tell(state, solutions, losses), cma.tell(state, solutions, np.log(losses) * 3 - 100)
    assert one.mean.tolist() == other.mean.tolist() and one.sigma == other.sigma
    assert one.covariance.tolist() == other.covariance.tolist()


def test_the_order_of_solutions_does_not_count() -> None:
    state, random = cma.begin(np.zeros(3), np.ones(3)), np.random.default_rng(0)
    solutions = cma.ask(state, random, 7)
    losses = rosenbrock(solutions)
    one, other = cma.tell(state, solutions, losses), cma.tell(state, solutions[::-1], losses[::-1])
    assert other.mean == pytest.approx(one.mean) and other.covariance == pytest.approx(one.covariance)


def test_equal_losses_share_their_weights() -> None:
    weights = np.array([0.6, 0.4, -0.2, -0.3])
    assert cma.shared(weights, np.array([3.0, 1.0, 2.0, 4.0])).tolist() == [-0.2, 0.6, 0.4, -0.3]
    assert cma.shared(weights, np.array([1.0, np.inf, 1.0, np.inf])) == pytest.approx([0.5, -0.25, 0.5, -0.25])


def test_the_update_is_equation_41_to_47_written_out() -> None:
    state = told(cma.begin(np.zeros(3), np.full(3, 0.5)), 4)
    solutions = cma.ask(state, np.random.default_rng(5), 8)
    losses, n = rosenbrock(solutions), 3
    r, after = cma.rates(n, 8), cma.tell(state, solutions, losses)
    y = ((solutions - state.mean) / state.sigma)[np.argsort(losses)]
    values, vectors = np.linalg.eigh(state.covariance)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    y_w = sum(w * row for w, row in zip(r.weights, y, strict=True) if w > 0)
    p_sigma = (1 - r.c_sigma) * state.path_sigma + math.sqrt(r.c_sigma * (2 - r.c_sigma) * r.mu_eff) * root @ y_w
    chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    norm = np.linalg.norm(p_sigma)
    h = float(norm / math.sqrt(1 - (1 - r.c_sigma) ** (2 * after.generation)) < (1.4 + 2 / (n + 1)) * chi)
    p_c = (1 - r.c_c) * state.path_c + h * math.sqrt(r.c_c * (2 - r.c_c) * r.mu_eff) * y_w
    covariance = (1 + r.c_1 * (1 - h) * r.c_c * (2 - r.c_c) - r.c_1 - r.c_mu * r.weights.sum()) * state.covariance
    covariance = covariance + r.c_1 * np.outer(p_c, p_c)
    for weight, row in zip(r.weights, y, strict=True):
        scaled = weight if weight >= 0 else weight * n / np.linalg.norm(root @ row) ** 2
        covariance = covariance + r.c_mu * scaled * np.outer(row, row)
    assert after.mean == pytest.approx(state.mean + state.sigma * y_w)
    assert after.sigma == pytest.approx(state.sigma * math.exp(r.c_sigma / r.d_sigma * (norm / chi - 1)))
    assert after.path_sigma == pytest.approx(p_sigma) and after.path_c == pytest.approx(p_c)
    assert after.covariance == pytest.approx(covariance)


def test_an_entry_without_a_part_in_the_loss_keeps_the_mean() -> None:
    state = cma.begin(np.zeros(3), np.ones(3))
    solutions = cma.ask(state, np.random.default_rng(0), 6)
    active = np.ones((6, 3), dtype=bool)
    active[:, 1] = False
    after = cma.tell(state, solutions, solutions[:, 0], active=active)
    assert after.mean[1] == 0.0 and after.mean[0] < 0.0


@pytest.mark.parametrize("is_separable", [False, True])
def test_a_long_valley_is_found(is_separable: bool) -> None:
    state, random = cma.begin(np.full(6, 3.0), np.ones(6), is_separable=is_separable), np.random.default_rng(0)
    scales = 10.0 ** np.arange(6)
    for _ in range(300):
        solutions = cma.ask(state, random, 9)
        state = cma.tell(state, solutions, (scales * solutions**2).sum(axis=1))
    assert (scales * state.mean**2).sum() < 1e-6


def test_a_step_from_elsewhere_is_not_longer_than_a_draw_may_be() -> None:
    state = told(cma.begin(np.zeros(3), np.ones(3)), 5)
    far, near = state.mean + 1e6, state.mean + 1e-9
    clipped = cma.clipped(state, np.stack([far, near]))
    length = np.linalg.norm(state.whitened((clipped[:1] - state.mean) / state.sigma))
    assert length == pytest.approx(math.sqrt(3) + 6 / 5) and clipped[1] == pytest.approx(near)


def test_the_neighbours_of_a_cell_keep_their_probability() -> None:
    from statistics import NormalDist

    state = cma.begin(np.array([0.52, 0.95, 0.5]), np.array([1e-6, 1e-6, 1e-6]))
    lows, highs = np.array([0.5, 0.9, 0.5]), np.array([0.6, 1.0, 0.5])
    after = with_margin(state, lows, highs, 0.05)
    normal = [NormalDist(m, s) for m, s in zip(after.mean, after.deviations, strict=True)]
    assert normal[0].cdf(0.5) == pytest.approx(0.025, abs=1e-6)
    assert 1 - normal[0].cdf(0.6) == pytest.approx(0.025, abs=1e-6)
    assert normal[1].cdf(0.9) == pytest.approx(0.05, abs=1e-6)
    assert after.mean[2] == 0.5 and after.deviations[2] == pytest.approx(1e-6)


def test_a_wide_distribution_needs_no_margin() -> None:
    state = cma.begin(np.array([0.52]), np.array([0.3]))
    assert with_margin(state, np.array([0.5]), np.array([0.6]), 0.05) is state


def test_choices_that_did_well_become_likelier_and_none_dies_out() -> None:
    state, random = categories.begin([3, 1000]), np.random.default_rng(0)
    for _ in range(60):
        samples = categories.ask(state, random, 10)
        order = np.argsort((samples[:, 0] != 1).astype(float), kind="stable")
        state = categories.tell(state, samples[order], np.array([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0]))
    assert state[0][1] == state[0].max() > 0.6 and state[0].min() > 0.05
    assert state[1].min() > 0.0 and [chances.sum() for chances in state] == pytest.approx([1.0, 1.0])


def test_an_inactive_column_teaches_nothing() -> None:
    state = categories.begin([3])
    after = categories.tell(state, np.array([[-1], [-1]]), np.array([0.7, 0.3]))
    assert after[0] == pytest.approx(state[0])


def test_nothing_to_adapt_is_no_error() -> None:
    state = cma.begin(np.empty(0), np.empty(0))
    assert cma.tell(state, np.empty((4, 0)), np.arange(4.0)).generation == 1
