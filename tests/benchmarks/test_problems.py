"""The problems are what they claim to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.problems import CONFIRMATION, REGIMES, TUNING, Problem, problems
from benchmarks.problems.mixed import chain
from benchmarks.problems.problem import generator
from benchmarks.problems.smooth import branin, hartmann6

WITH_OPTIMUM = [name for name, problem in problems().items() if problem.optimum]


@pytest.fixture(params=problems())
def problem(request: pytest.FixtureRequest) -> Problem:
    return problems()[request.param]


def test_every_problem_is_in_one_half() -> None:
    assert sorted([*TUNING, *CONFIRMATION]) == sorted(problems())


@pytest.mark.parametrize("regime", REGIMES)
def test_each_regime_has_problems_to_tune_on_and_to_confirm_on(regime: str) -> None:
    tuning, confirmation = ([problems()[name].regime for name in half].count(regime) for half in (TUNING, CONFIRMATION))
    assert tuning >= 3 and confirmation >= 4


def test_random_configs_have_a_loss_on_every_instance(problem: Problem) -> None:
    random = np.random.default_rng(0)
    losses = [problem.evaluate(problem.space.sample(random), seed) for seed in range(3) for _ in range(20)]
    assert np.isfinite(losses).mean() > 0.7


def test_the_stored_space_is_the_space(problem: Problem) -> None:
    assert type(problem.space).from_json(problem.space.to_json()) == problem.space


@pytest.mark.parametrize("name", WITH_OPTIMUM)
def test_the_optimum_is_legal_and_has_regret_zero(name: str) -> None:
    problem = problems()[name]
    assert problem.optimum is not None
    for seed in range(6):
        config = problem.space.check(problem.optimum(seed))
        assert problem.regret(problem.evaluate(config, seed), seed) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", WITH_OPTIMUM)
def test_nothing_near_or_far_undercuts_the_optimum(name: str) -> None:
    problem, random = problems()[name], np.random.default_rng(1)
    assert problem.optimum is not None
    for seed in range(3):
        at, _ = problem.space.encode(problem.space.check(problem.optimum(seed)))
        near = np.where(np.isnan(at), random.random((30, len(at))), at + 0.02 * random.standard_normal((30, len(at))))
        for units in [*np.clip(near, 0.0, 1.0), *random.random((30, len(at)))]:
            loss = problem.evaluate(problem.space.decode(units), seed)
            assert problem.regret(loss, seed) >= -1e-9


def test_the_median_of_random_configs_has_regret_one(problem: Problem) -> None:
    random = generator(problem.name, 1, 10**6)
    regrets = [
        problem.regret(problem.evaluate(problem.space.sample(random), seed), seed)
        for seed in range(20)
        for _ in range(5)
    ]
    assert 0.33 < np.mean(np.array(regrets) < 1.0) < 0.67  # 100 configs: a half, give or take three deviations


def test_noise_belongs_to_the_trial_and_not_to_the_strategy() -> None:
    problem = problems()["noisy_sphere5"]
    config = problem.space.sample(np.random.default_rng(0))
    assert problem.observe(config, 0, 3) == problem.observe(config, 0, 3) != problem.observe(config, 0, 4)
    seen = [problem.observe(config, 0, trial) - problem.evaluate(config, 0) for trial in range(300)]
    assert np.std(seen) == pytest.approx(0.1 * problem.scale, rel=0.15)


def test_a_failed_training_has_infinite_regret() -> None:
    assert problems()["sphere5"].regret(math.nan, 0) == math.inf


def test_branin_and_hartmann_have_their_published_minima() -> None:
    assert branin(np.array([-np.pi, 12.275])) == pytest.approx(0.0, abs=1e-9)
    assert branin(np.array([9.42477796, 2.475])) == pytest.approx(0.0, abs=1e-9)
    assert hartmann6(np.zeros(6)) == pytest.approx(3.32237 - 0.00508911288366444, abs=1e-4)


def test_the_best_of_a_chain_of_choices_is_the_lowest_of_all_its_paths() -> None:
    problem = chain("chain8")
    random = np.random.default_rng(0)
    least = min(problem.evaluate(problem.space.sample(random), 0) for _ in range(2_000))
    assert problem.best(0) <= least
