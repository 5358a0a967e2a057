"""Who is replaced by whom in a population, and when."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from cotune.errors import StudyError
from cotune.records import State
from cotune.schedulers import PBT
from cotune.space import Float, Int, Space
from cotune.study.budget import Budget
from simulation import Simulation


def space() -> Space:
    return Space(x=Float(-5.0, 5.0, schedule=True), n=Int(1, 8))


def simulated(
    loss: Any = lambda number, step: float(number), scheduler: PBT | None = None, trials: int = 10, **options: Any
) -> Simulation:
    chosen = scheduler or PBT(population=10, every=3)
    return Simulation(chosen, loss, budget=Budget(trials=trials), space=space(), **options).run()


def parents(run: Simulation) -> dict[int, tuple[int, int]]:
    return {number: run.history.parent(number) for number in run.history.forks}


def test_the_worst_fifth_is_replaced_by_forks_of_the_best_after_each_interval() -> None:
    run = simulated()
    assert run.stopped == [8, 9, 10, 11]  # 10 and 11 are forks that came last after step 6
    first, second, third, fourth = (run.history.parent(number) for number in (10, 11, 12, 13))
    assert {first[1], second[1]} == {3} and {third[1], fourth[1]} == {6}
    assert {parent for parent, _ in (first, second, third, fourth)} <= {0, 1}


def test_all_that_are_not_replaced_are_trained_to_the_end() -> None:
    run = simulated()
    done = [number for number in run.trained if run.history.state(number) is State.DONE]
    assert done == [0, 1, 2, 3, 4, 5, 6, 7, 12, 13]
    assert all(run.trained[number] == 9 for number in done)
    assert run.history.steps_paid == 10 * 9  # what a fork inherits is not paid again


@pytest.mark.parametrize("slots", [1, 3, 10, 16])
def test_the_number_of_slots_changes_nothing(slots: int) -> None:
    one, many = simulated(), simulated(slots=slots, order=lambda numbers: numbers[-1])
    assert parents(one) == parents(many) and one.stopped == many.stopped
    assert [one.history.config(n) for n in one.trained] == [many.history.config(n) for n in many.trained]


def test_records_say_who_was_replaced_and_why() -> None:
    run = simulated()
    fork, stop = run.history.decision(10), run.history.decision(8)["stop"]
    assert fork["strategy"] == "pbt" and fork["replaces"] == 8
    assert (fork["rung"], fork["of"]) == (3, 10) and fork["rank"] in (1, 2)
    assert set(fork["changed"]) <= {"x"}
    assert stop == {
        "why": "among the worst of its population", "replaced by trial": 10, "rung": 3, "rank": 9, "of": 10,
        "threshold": 7.0,
    }  # fmt: skip
    assert [p["rank"] for p in run.history.decision(0)["promotions"]] == [1, 1]


def test_only_what_is_marked_differs_from_the_parent() -> None:
    run = simulated(scheduler=PBT(population=10, every=1))
    for number in run.history.forks:
        mine, theirs = run.history.config(number), run.history.config(run.history.parent(number)[0])
        assert mine["n"] == theirs["n"] and mine["x"] != theirs["x"]


def test_who_fails_is_replaced_and_nan_is_worse_than_any_loss() -> None:
    def loss(number: int, step: int) -> float | None:
        if number == 4 and step == 2:
            return None
        return math.nan if number == 5 else float(number)

    run = simulated(loss)
    replaced = [
        run.history.decision(number)["replaces"] for number in run.history.forks if run.history.parent(number)[1] == 3
    ]
    assert sorted(replaced) == [4, 5]


def test_more_that_failed_than_a_fifth_are_all_replaced() -> None:
    run = simulated(lambda number, step: None if number < 5 and step == 1 else float(number))
    assert [run.history.decision(number)["replaces"] for number in run.history.forks][:5] == [0, 1, 2, 3, 4]
    assert sum(run.history.state(number) is State.DONE for number in run.trained) == 10


def test_a_population_of_which_none_has_a_loss_is_over() -> None:
    run = simulated(lambda number, step: None, trials=20)
    assert len(run.history) == 20 and not run.history.forks


def test_what_does_not_pay_is_not_trained_at_the_last_step() -> None:
    run = simulated(lambda number, step: None if (number, step) == (4, 8) else float(number))
    assert run.history.state(4) is State.FAILED
    assert not [number for number in run.history.forks if run.history.decision(number)["replaces"] == 4]


@pytest.mark.parametrize("slots", [1, 10, 32])
def test_one_population_after_another(slots: int) -> None:
    run = simulated(trials=20, slots=slots)
    assert run.history.steps_paid == 20 * 9 and not run.history.paused
    founders = [number for number in run.trained if run.history.parent(number) is None]
    assert len(founders) == 20
    begun = [number for number, _ in run.log]
    assert begun.index(founders[10]) > max(begun.index(number) for number in founders[:10] if run.trained[number] == 9)


def test_a_small_last_population_goes_on_as_it_is() -> None:
    run = simulated(trials=4)
    assert sum(run.history.state(number) is State.DONE for number in run.trained) == 4
    assert len(run.history.forks) == 2 and run.history.steps_paid == 36


def test_a_budget_that_grows_lets_late_ones_catch_up() -> None:
    run = simulated(trials=6)
    run.budget = Budget(trials=10)
    run.run()
    assert run.history.n_proposed == 10 and run.history.steps_paid == 10 * 9
    assert sum(run.history.state(number) is State.DONE for number in run.trained) == 10


def test_a_budget_of_epochs_is_never_exceeded() -> None:
    for epochs in range(1, 60, 7):
        run = Simulation(
            PBT(5, every=2), lambda n, s: float(n), budget=Budget(total_epochs=epochs), space=space()
        ).run()
        assert run.history.steps_paid <= epochs


def test_two_objectives_keep_the_front() -> None:
    objectives = {"value": False, "other": False}
    run = simulated(objectives=objectives)
    assert run.stopped and set(run.history.front()) <= {0, *run.history.forks}


def test_asynchronous_members_are_compared_with_those_that_came_before() -> None:
    run = simulated(lambda number, step: -float(number), PBT(population=10, every=3, asynchronous=True), slots=2)
    assert not run.history.running and not run.history.waiting and not run.history.paused
    assert run.history.forks
    for number in run.history.forks:
        record = run.history.decision(number)
        assert record["of"] >= 5  # of fewer none is a fifth
        assert run.history.parent(number)[1] < 9
    assert sum(run.history.state(number) is State.DONE for number in run.trained) == 10


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_fails_every_place_comes_to_an_end(seed: int, asynchronous: bool) -> None:
    chance = random.Random(seed)

    def loss(number: int, step: int) -> float | None:
        return None if chance.random() < 0.1 else math.nan if chance.random() < 0.1 else chance.random()

    scheduler = PBT(population=8, every=2, asynchronous=asynchronous)
    run = simulated(loss, scheduler, trials=16, slots=chance.choice([1, 3, 8]), order=chance.choice)
    assert not run.history.running and not run.history.waiting and not run.history.paused
    assert run.history.n_proposed == 16


def test_what_a_cold_scheduler_plans_is_what_a_warm_one_plans() -> None:
    run = Simulation(PBT(6, every=2), lambda n, s: float(n % 4), budget=Budget(trials=12), space=space(), slots=3)
    for _ in range(60):
        run.run(most=1)
        cold = PBT(6, every=2).plan(run.history, 3, lambda n: [], np.random.default_rng)
        warm = run.scheduler.plan(run.history, 3, lambda n: [], np.random.default_rng)
        assert cold == warm


def test_a_space_without_a_mark_is_an_error_that_says_how_to_mark() -> None:
    with pytest.raises(StudyError, match="schedule=True"):
        Simulation(PBT(), lambda number, step: 0.0).run()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"population": 1}, "population=1"), ({"population": True}, "population=True"), ({"every": 0}, "every=0"),
        ({"share": 0.0}, "share=0.0"), ({"share": 0.6}, "share=0.6"), ({"asynchronous": 1}, "asynchronous=1"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        PBT(**arguments)


def test_asynchronous_members_stay_together_where_slots_are_few() -> None:
    run = simulated(lambda number, step: -float(number), PBT(population=8, every=1, asynchronous=True), trials=8)
    assert len(run.history.forks) > 4


def test_a_small_asynchronous_population_is_compared_too() -> None:
    run = simulated(lambda number, step: float(number), PBT(population=4, every=3, asynchronous=True), trials=4)
    assert run.history.forks and sum(run.history.state(n) is State.DONE for n in run.trained) == 4
