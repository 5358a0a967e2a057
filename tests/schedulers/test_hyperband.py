"""Brackets: who waits for whom, and who goes on."""

from __future__ import annotations

import math

import pytest

from cotune.errors import StudyError
from cotune.schedulers import Hyperband, SuccessiveHalving
from cotune.study.budget import Budget
from simulation import Simulation


def test_the_plan_is_told_before_the_start() -> None:
    assert SuccessiveHalving().outline(27) == "27 x 1, 9 x 3, 3 x 9, 1 x 27 epochs"
    assert Hyperband().outline(27) == (
        "27 x 1, 9 x 3, 3 x 9, 1 x 27 epochs; 12 x 3, 4 x 9, 1 x 27 epochs; 6 x 9, 2 x 27 epochs; 4 x 27 epochs"
    )


def test_a_rung_waits_for_all_of_its_trials() -> None:
    run = Simulation(SuccessiveHalving(), lambda n, step: float(n), budget=Budget(trials=9)).run()
    assert run.log == [*((n, 1) for n in range(9)), (0, 3), (1, 3), (2, 3), (0, 9)]


def test_a_slot_that_would_be_idle_begins_the_next_bracket() -> None:
    run = Simulation(SuccessiveHalving(), lambda n, step: float(n), slots=2, budget=Budget(trials=18), order=max).run()
    assert run.log[9] == (9, 1)  # trial 0 was still running
    assert sum(step == 9 for step in run.trained.values()) == 2


def test_brackets_of_hyperband_begin_at_their_own_steps() -> None:
    run = Simulation(Hyperband(), lambda n, step: float(n), budget=Budget(trials=17)).run()
    assert [until for n, until in run.log if n in (0, 9, 14)][0] == 1
    first = {number: until for number, until in reversed(run.log)}
    assert first[8] == 1 and first[9] == 3 and first[14] == 9
    assert [n for n, step in run.trained.items() if step == 9] == [0, 9, 14, 15, 16]


def test_trials_of_different_brackets_are_never_compared() -> None:
    run = Simulation(SuccessiveHalving(), lambda n, step: float(-n), budget=Budget(trials=18)).run()
    assert [n for n, step in run.trained.items() if step == 9] == [8, 17]


def test_a_bracket_that_cannot_be_filled_is_played_with_what_there_is() -> None:
    run = Simulation(SuccessiveHalving(), lambda n, step: float(n), limit=4).run()
    assert run.log == [(0, 1), (1, 1), (2, 1), (3, 1), (0, 3), (1, 3), (2, 3), (0, 9)]


def test_failures_count_and_give_their_places_back() -> None:
    run = Simulation(
        SuccessiveHalving(), lambda n, step: None if n == 0 and step > 1 else None if n == 8 else float(n),
        budget=Budget(trials=9),
    ).run()  # fmt: skip
    assert run.log[9:] == [(0, 3), (1, 3), (2, 3), (3, 3), (1, 9)]


def test_nan_never_goes_on() -> None:
    run = Simulation(SuccessiveHalving(), lambda n, step: math.nan if n < 8 else 1.0, budget=Budget(trials=18)).run()
    assert run.trained[8] == 9 and max(run.trained[n] for n in range(8)) == 1


def test_many_brackets_leave_nothing_behind() -> None:
    scheduler = Hyperband()
    run = Simulation(scheduler, lambda n, step: (n * 7919 % 101) / 101, slots=3, budget=Budget(trials=17 * 20)).run(
        5000
    )
    assert sum(step == 9 for step in run.trained.values()) == 5 * 20
    (kept,) = scheduler._cache
    kept.catch_up()
    assert not kept.known


@pytest.mark.parametrize("kind", [Hyperband, SuccessiveHalving])
def test_wrong_settings_are_named(kind: type) -> None:
    with pytest.raises(StudyError, match=rf"{kind.__name__}\(factor=1\) takes a whole number of at least 2"):
        kind(factor=1)


def test_a_trial_that_ends_by_itself_on_the_way_keeps_nobody_waiting() -> None:
    """Trials that have fewer epochs than the others take their places all the same."""
    run = Simulation(SuccessiveHalving(), lambda n, step: float(n), budget=Budget(trials=9), ends={0: 2}).run()
    assert run.trained == {0: 2, 1: 9, 2: 3} | dict.fromkeys(range(3, 9), 1)
    short = Simulation(Hyperband(), lambda n, step: float(n), budget=Budget(trials=17), ends={9: 2}).run()
    assert short.trained[9] == 2 and short.trained[10] == 9
