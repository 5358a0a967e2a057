"""Who is stopped, and who is not."""

from __future__ import annotations

import math

import pytest

from cotune.errors import StudyError
from cotune.schedulers import MedianStopping
from cotune.study.budget import Budget
from simulation import Simulation


def test_nobody_is_stopped_before_enough_others_have_come_as_far() -> None:
    run = Simulation(MedianStopping(), lambda n, step: float(n), steps=5, budget=Budget(trials=5)).run()
    assert not run.stopped and set(run.trained.values()) == {5}


def test_what_is_worse_than_half_of_the_others_is_stopped_and_says_why() -> None:
    run = Simulation(MedianStopping(), lambda n, step: float(n), steps=5, budget=Budget(trials=8)).run()
    assert run.stopped == [5, 6, 7] and run.trained[5] == 1
    stop = run.history.decision(5)["stop"]
    assert stop["rung"] == 1 and stop["threshold"] == 2.5 and stop["best"] == 5.0


def test_a_trial_is_judged_by_its_best_so_far_against_averages() -> None:
    def loss(n: int, step: int) -> float:
        return 10.0 if n == 5 and step == 1 else 1.0 + n / 10

    grace = Simulation(MedianStopping(grace=2, every=1), loss, steps=5, budget=Budget(trials=6)).run()
    assert grace.stopped == [5]
    better = Simulation(
        MedianStopping(grace=2, every=1), lambda n, s: 0.5 if (n, s) == (5, 2) else loss(n, s), steps=5,
        budget=Budget(trials=6),
    ).run()  # fmt: skip
    assert not better.stopped


def test_nan_is_worse_than_all() -> None:
    run = Simulation(MedianStopping(), lambda n, s: math.nan if n == 6 else 1.0, steps=5, budget=Budget(trials=7)).run()
    assert run.stopped == [6] and "best" not in run.history.decision(6)["stop"]


def test_milestones_are_a_tenth_apart() -> None:
    run = Simulation(MedianStopping(grace=4), lambda n, step: 1.0, steps=30, budget=Budget(trials=1)).run()
    assert [until for _, until in run.log] == [4, 7, 10, 13, 16, 19, 22, 25, 28, 30]


def test_it_compares_one_objective() -> None:
    run = Simulation(MedianStopping(), lambda n, step: 1.0, objectives={"a": False, "b": False})
    with pytest.raises(StudyError, match="scheduler='median' compares one objective, the study has 2"):
        run.run()
