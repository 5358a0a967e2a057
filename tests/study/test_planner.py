"""Who decides: a strategy, a scheduler, and a budget that is never exceeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from builders import history_of, plane
from cotune.records import Action, Draw, Enqueued, History, Start, Suggestion
from cotune.schedulers import ASHA, Plain
from cotune.strategies import Grid, Random, Strategy
from cotune.study.budget import Budget
from cotune.study.planner import Planner
from simulation import Simulation


@dataclass(frozen=True)
class OneByOne:
    """A scheduler that asks for one suggestion at a time."""

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        return [Start(suggestion, history.created_steps) for _ in range(slots) for suggestion in suggest(1)]


@pytest.mark.parametrize("strategy", [Random(), Grid()])
def test_suggestions_asked_one_by_one_are_those_asked_at_once(strategy: Strategy) -> None:
    history = history_of(plane(), [])
    at_once = Planner(strategy, Plain()).plan(history, 4, "w")
    assert Planner(strategy, OneByOne()).plan(history, 4, "w") == at_once
    assert len({event.config["x"] for event in at_once}) > 1


@pytest.mark.parametrize(
    ("budget", "n"),
    [(Budget(total_epochs=11), 2), (Budget(total_epochs=12), 3), (Budget(trials=2), 2), (Budget(), 5)],
)
def test_a_plan_for_many_slots_fits_in_the_budget(budget: Budget, n: int) -> None:
    events = Planner(Random(), Plain(), budget).plan(history_of(plane(), [], steps=4), 5, "w")
    assert [event.number for event in events] == list(range(n))


def test_leases_of_a_worker_that_cannot_pause_say_so() -> None:
    history = history_of(plane(), [Enqueued(0, {"x": 0.5, "n": 3})])
    for pausable in (True, False):
        events = Planner(Random(), Plain()).plan(history, 2, "w", pausable=pausable)
        assert [(event.kind, event.pausable) for event in events] == [("resumed", pausable), ("started", pausable)]


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("total", range(30, 60, 7))
def test_a_resume_that_costs_too_much_leaves_its_slot_to_what_is_cheaper(slots: int, total: int) -> None:
    run = Simulation(ASHA(), lambda number, step: float(number * 37 % 11), 27, slots, Budget(total_epochs=total)).run()
    assert run.history.steps_paid == total


def test_trials_beyond_the_budget_keep_no_slot_from_those_within() -> None:
    run = Simulation(ASHA(), lambda number, step: float(number), budget=Budget(trials=6))
    run.history.extend([Enqueued(number, {"x": 0.5, "n": 3}) for number in range(3000)])
    assert [number for number, step in run.run().trained.items() if step > 1] == [0, 1]
    assert len(run.trained) == 3000 and not any(run.trained[number] for number in range(6, 3000))
