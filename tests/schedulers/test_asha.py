"""Promotion, rung by rung."""

from __future__ import annotations

import math
import random

import pytest

from cotune.errors import StudyError
from cotune.schedulers import ASHA
from cotune.schedulers.rungs import rungs
from cotune.study.budget import Budget
from simulation import Simulation


def test_one_of_three_goes_on_as_soon_as_it_is_among_the_best() -> None:
    run = Simulation(ASHA(), lambda number, step: float(number), budget=Budget(trials=9)).run()
    assert run.log == [
        (0, 1), (1, 1), (2, 1), (0, 3), (3, 1), (4, 1), (5, 1), (1, 3), (6, 1), (7, 1), (8, 1), (2, 3), (0, 9),
    ]  # fmt: skip


def test_a_newcomer_that_is_better_goes_on_before_the_others() -> None:
    run = Simulation(ASHA(), lambda number, step: -float(number), budget=Budget(trials=6)).run()
    assert run.log[:6] == [(0, 1), (1, 1), (2, 1), (2, 3), (3, 1), (3, 3)]


def test_of_newcomers_that_are_all_better_no_more_go_on_than_their_share_and_one() -> None:
    run = Simulation(ASHA(), lambda number, step: -float(number), budget=Budget(trials=9)).run()
    assert run.log == [
        (0, 1), (1, 1), (2, 1), (2, 3), (3, 1), (3, 3), (4, 1), (5, 1), (5, 3), (5, 9), (6, 1), (7, 1), (8, 1), (8, 3),
        (8, 9),
    ]  # fmt: skip


def test_a_promotion_says_why() -> None:
    run = Simulation(ASHA(), lambda number, step: float(number), budget=Budget(trials=3)).run()
    (first, last) = run.history.decision(0)["promotions"]
    assert first == {
        "why": "among the best of its rung", "rung": 1, "rank": 1, "of": 3, "threshold": 0.0, "until": 3,
    }  # fmt: skip
    assert "none has come to its end" in last["why"] and last["until"] == 9


def test_ties_go_to_the_earlier_trial() -> None:
    run = Simulation(ASHA(), lambda number, step: 1.0, budget=Budget(trials=3)).run()
    assert run.log[3] == (0, 3)


def test_trials_that_never_paused_at_a_rung_leave_its_places_to_others() -> None:
    """Short ones end there by themselves, and others were trained past it in one go."""
    short = dict.fromkeys(range(6), 1)
    run = Simulation(ASHA(), lambda number, step: float(-number), budget=Budget(trials=9), ends=short).run()
    assert [number for number, step in run.log if step == 3] == [6, 7, 8]


def test_many_ties_at_the_top_go_on_before_what_is_worse() -> None:
    run = Simulation(ASHA(), lambda number, step: float(number % 2), budget=Budget(trials=12)).run()
    assert {number % 2 for number, step in run.log if step == 3} == {0}


def test_nan_never_goes_on_but_counts() -> None:
    run = Simulation(ASHA(), lambda n, step: math.nan if n < 2 else 1.0, budget=Budget(trials=3)).run()
    assert run.log == [(0, 1), (1, 1), (2, 1), (2, 3), (2, 9)]
    only = Simulation(ASHA(), lambda n, step: math.nan, budget=Budget(trials=9)).run()
    assert set(only.trained.values()) == {1}


def test_failed_trials_count_in_the_rung_they_were_heading_for() -> None:
    run = Simulation(ASHA(), lambda n, step: None if n < 2 else 1.0, budget=Budget(trials=3)).run()
    assert run.log[:4] == [(0, 1), (1, 1), (2, 1), (2, 3)]


def test_a_promoted_trial_that_fails_gives_its_place_back() -> None:
    run = Simulation(ASHA(), lambda n, step: None if n == 0 and step > 1 else float(n), budget=Budget(trials=3)).run()
    assert run.log[:5] == [(0, 1), (1, 1), (2, 1), (0, 3), (1, 3)]


def test_trials_of_different_steps_are_never_compared() -> None:
    """Losses grow with training: a comparison across rungs would let nobody go up."""
    run = Simulation(ASHA(), lambda n, step: step * 100.0 + n, budget=Budget(trials=9)).run()
    assert run.trained[0] == 9


@pytest.mark.parametrize("slots", [1, 4])
def test_no_more_than_a_third_of_a_rung_goes_on(slots: int) -> None:
    losses = random.Random(3)
    table = {(n, step): losses.random() for n in range(200) for step in range(1, 28)}
    run = Simulation(ASHA(), lambda n, s: table[n, s], steps=27, slots=slots, budget=Budget(trials=200)).run(5000)
    came = [sum(step >= rung for step in run.trained.values()) for rung in (1, 3, 9, 27)]
    assert came[0] == 200 and came[-1] > 0
    # a trial that was among the best when it went on may not be so later: a few more than a third
    assert all(upper <= lower / 3 + 2 * math.sqrt(lower) for lower, upper in zip(came, came[1:], strict=False))


def test_a_small_search_still_brings_its_best_trial_to_the_end() -> None:
    run = Simulation(ASHA(), lambda n, step: abs(n - 1.0), budget=Budget(trials=2)).run()
    assert run.trained == {0: 1, 1: 9}


def test_the_last_resort_waits_for_what_is_running() -> None:
    run = Simulation(ASHA(), lambda n, step: float(n), slots=2, budget=Budget(trials=2), order=max).run()
    assert run.log == [(0, 1), (1, 1), (0, 3), (0, 9)]


def test_several_objectives_are_ranked_by_dominance() -> None:
    run = Simulation(
        ASHA(), lambda n, step: float(n), objectives={"a": False, "b": False}, budget=Budget(trials=6)
    ).run()
    assert run.trained[0] == 9 and run.trained[5] == 1


def test_a_trial_that_does_not_report_is_an_error_that_says_so() -> None:
    from builders import history_of, plane, started
    from cotune.records import Reached

    history = history_of(plane(), [started(0, {"x": 0.5, "n": 3}, until=1), Reached(0, 1, 1)], steps=9)
    with pytest.raises(StudyError, match=r"trial 0 did not report it. Call trial.report\(value=...\) in every epoch"):
        ASHA().plan(history, 1, lambda n: [], lambda number: None)


@pytest.mark.parametrize(
    ("argument", "value"), [("factor", 1), ("factor", 3.0), ("factor", True), ("first", 0), ("first", "1")]
)
def test_wrong_settings_are_named(argument: str, value: object) -> None:
    with pytest.raises(StudyError, match=rf"ASHA\({argument}=.*whole number of at least"):
        ASHA(**{argument: value})


@pytest.mark.parametrize(("last", "first", "factor"), [(1, 1, 3), (100, 1, 3), (100, 7, 4), (5, 5, 2), (2, 9, 3)])
def test_rungs_rise_to_the_last_step(last: int, first: int, factor: int) -> None:
    found = rungs(last, first, factor)
    assert found[-1] == last and list(found) == sorted(set(found)) and found[0] >= min(first, last)
