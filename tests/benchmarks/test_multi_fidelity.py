"""Searches over learning curves: the curves are what they claim to be, and every epoch is counted once."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.multi_fidelity import CONFIRMATION, FULL, TUNING, Tape, one_epoch, ours
from benchmarks.multi_fidelity_report import area, regret
from benchmarks.problems import problems
from benchmarks.problems.curves import Curves, curves
from benchmarks.quality_runs import Run


@pytest.fixture(scope="module")
def plateau() -> Curves:
    return curves("plateau/levy6")


def test_no_problem_is_tuned_on_and_confirmed_on() -> None:
    assert not set(TUNING) & set(CONFIRMATION)
    assert [sum(name.startswith(suite) for name in CONFIRMATION) for suite in ("taskset", "lcbench")] == [6, 6]


@pytest.mark.parametrize("name", [*TUNING, *CONFIRMATION])
def test_curves_are_finite_and_half_of_random_configs_end_below_the_median(name: str) -> None:
    problem, random = curves(name), np.random.default_rng(1)
    every = np.array([problem.curve(problem.space.sample(random)) for _ in range(60)])
    assert every.shape == (60, problem.epochs) and np.isfinite(every).all()
    share = np.mean(every[:, -1] <= problem.median)
    assert 0.3 < share < 0.7


@pytest.mark.parametrize("data_set", ["7593", "167200"])
def test_a_curve_ends_where_the_fully_trained_network_is(data_set: str) -> None:
    name, random = f"lcbench/{data_set}", np.random.default_rng(2)
    for _ in range(10):
        config = problems()[name].space.sample(random)
        assert curves(name).curve(config)[-1] == pytest.approx(problems()[name].evaluate(config, 0), rel=2e-3)


def test_a_tape_keeps_what_undercuts_and_ends_with_the_budget() -> None:
    tape = Tape(4)
    for loss in (3.0, 4.0, 2.0, 2.0, 1.0):
        tape.add(loss)
    assert tape.is_full and tape.incumbents == ((1, 3.0), (3, 2.0))


def test_the_area_is_the_mean_of_the_regret(plateau: Curves) -> None:
    halfway = plateau.best + 0.5 * (plateau.median - plateau.best)
    run = Run("1", "plateau/levy6", 0, 10, 1.0, 1.0, ((3, halfway), (7, plateau.best)))
    assert regret(run) == pytest.approx([1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0])
    assert area(run) == pytest.approx(0.4)


def test_our_search_trains_every_epoch_once_and_as_many_as_the_budget_has(plateau: Curves) -> None:
    tape = Tape(6 * plateau.epochs)
    ours("asha", plateau, 0, tape)
    finite = [loss for loss in tape.losses if loss < 1e6]
    assert tape.budget - plateau.epochs < len(tape.losses) <= tape.budget
    assert len(set(finite)) == len(finite)


def test_one_epoch_for_all_then_the_best_in_full(plateau: Curves) -> None:
    tape = Tape(FULL * plateau.epochs)
    one_epoch(plateau, 0, tape)
    half = tape.budget // 2
    assert tape.is_full
    assert min(tape.losses[half : half + plateau.epochs]) < min(tape.losses[:half])
