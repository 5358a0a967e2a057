"""Trials that keep no state are judged when they come to a rung: they go on at once, or they are stopped."""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import cotune as ct
from cotune.errors import Interrupted, LeaseLost, ReportError, StudyError
from cotune.records import State

SPACE = {"x": (0.0, 1.0)}


def study(objective: Any, **options: Any) -> ct.Study:
    chosen = {"minimize": "value", "epochs": 9, "strategy": "random", "scheduler": "asha", **options}
    return ct.Study(objective, SPACE, **chosen)


def counted(calls: list[tuple[int, int]]) -> Any:
    def train(trial: Any) -> None:
        for epoch in trial.epochs():
            calls.append((trial.number, epoch))
            trial.report(value=trial.config.x + 1 / (epoch + 1))

    return train


def facts(searched: ct.Study) -> list[Any]:
    return [(t.config, t.steps, t.state, t.metrics) for t in searched.trials]


def own_loop(trial: Any) -> None:
    for epoch in range(9):
        if not trial.report(value=trial.config.x + 1 / (epoch + 1)):
            return


@pytest.mark.parametrize("scheduler", ["asha", "median", "race"])
def test_no_epoch_is_trained_twice_and_most_trials_end_early(scheduler: str) -> None:
    calls: list[tuple[int, int]] = []
    searched = study(counted(calls), scheduler=scheduler).optimize(trials=30, progress=False)
    assert len(calls) == len(set(calls)) < 30 * 9 * 0.8
    assert {trial.state for trial in searched.trials} == {State.DONE, State.STOPPED}
    assert searched.best.trial.steps[-1] == 9
    assert all(searched.history.epoch(trial.number) == 1 for trial in searched.trials)


def test_a_loop_of_its_own_is_told_by_report() -> None:
    loop, epochs = study(own_loop), study(counted([]))
    for searched in (loop, epochs):
        searched.optimize(trials=20, progress=False)
    assert facts(loop) == facts(epochs)


def test_the_best_third_of_a_rung_goes_on_and_the_others_are_stopped_with_the_reason() -> None:
    searched = study(counted([])).optimize(trials=30, progress=False)
    for trial in searched.trials:
        record = trial.decision
        for promotion in record.get("promotions", []):
            assert promotion["rank"] <= -(-promotion["of"] // 3)
        if trial.state is State.STOPPED:
            assert record["stop"]["rank"] > -(-record["stop"]["of"] // 3)
            assert record["stop"]["rung"] == trial.steps[-1]


def test_a_search_in_pieces_equals_one_in_one_go() -> None:
    whole = study(counted([])).optimize(trials=20, progress=False)
    pieces = study(counted([]))
    for total_epochs in (10, 30, 1000):
        pieces.optimize(trials=20, total_epochs=total_epochs, progress=False)
        assert pieces.history.steps_paid <= total_epochs
    assert facts(whole) == facts(pieces)


@pytest.mark.parametrize("at", [3, 7, 12])
def test_a_signal_in_the_middle_changes_nothing(at: int) -> None:
    calls = count(1)

    def signalled(trial: Any) -> None:
        for epoch in trial.epochs():
            if next(calls) == at:
                signal.raise_signal(signal.SIGINT)
            trial.report(value=trial.config.x + 1 / (epoch + 1))

    whole, broken = study(counted([])).optimize(trials=12, progress=False), study(signalled)
    with pytest.raises(Interrupted):
        broken.optimize(trials=12, progress=False)
    broken.optimize(trials=12, progress=False)
    assert facts(whole) == facts(broken)


def test_nan_at_a_rung_is_stopped() -> None:
    def train(trial: Any) -> None:
        for _ in trial.epochs():
            trial.report(value=float("nan") if trial.number == 1 else trial.config.x)

    searched = study(train).optimize(trials=4, progress=False)
    assert searched.trials[1].state is State.STOPPED and searched.trials[1].steps == [1]


def test_what_reports_nothing_to_compare_it_by_is_told_so() -> None:
    def train(trial: Any) -> float:
        for _ in trial.epochs():
            trial.report(other=1.0)
        return trial.config.x

    with pytest.raises(StudyError, match="trial 0 did not report it"):
        study(train).optimize(trials=4, progress=False)


def test_auto_judges_functions_without_a_state_once_one_has_shown_what_it_reports() -> None:
    calls: list[tuple[int, int]] = []
    searched = study(counted(calls), scheduler="auto", strategy="bayesian").optimize(trials=20, progress=False)
    assert len(calls) == len(set(calls)) < 20 * 9 * 0.8
    assert searched.trials[0].state is State.DONE and searched.history.count(State.STOPPED) > 5


# ---------------------------------------------------------------------- asked by hand


def evaluated(searched: ct.Study, n: int) -> None:
    for _ in range(n):
        trial = searched.ask()
        for epoch in range(9):
            loss = trial.config.x + 1 / (epoch + 1)
            if not searched.report(trial, value=loss):
                break
        else:
            searched.tell(trial, loss)


@pytest.mark.parametrize("scheduler", ["asha", "median", "race"])
def test_trials_by_hand_are_stopped_like_those_of_a_function(scheduler: str) -> None:
    by_hand, function = study(None, scheduler=scheduler), study(counted([]), scheduler=scheduler)
    evaluated(by_hand, 20)
    function.optimize(trials=20, progress=False)
    assert facts(by_hand) == facts(function)
    assert by_hand.best.number == function.best.number


def test_without_a_scheduler_every_report_goes_on() -> None:
    searched = study(None, scheduler="none")
    evaluated(searched, 5)
    assert {trial.state for trial in searched.trials} == {State.DONE}


def test_a_trial_may_be_told_without_any_report_and_counts_as_trained_to_its_end() -> None:
    searched = study(None)
    trial = searched.ask()
    searched.tell(trial, 0.5)
    assert searched.history.step(trial.number) == 9 and searched.best.value == 0.5


def test_a_stopped_trial_takes_no_report_and_no_result() -> None:
    searched = study(None)
    first, second = searched.ask(2)
    assert searched.report(first, value=0.1) and not searched.report(second, value=0.2)
    for late in (lambda: searched.report(second, value=0.1), lambda: searched.tell(second, 0.1)):
        with pytest.raises(LeaseLost, match="trial 1 is stopped"):
            late()


def test_steps_may_be_named_and_must_rise() -> None:
    searched = study(None)
    trial = searched.ask()
    assert searched.report(trial, step=1, value=0.1) and searched.report(trial, step=3, value=0.1)
    with pytest.raises(ReportError, match="above the last step, 3"):
        searched.report(trial, step=3, value=0.1)
    with pytest.raises(ReportError, match="at least one named metric"):
        searched.report(trial)
    with pytest.raises(ReportError, match="beyond the 9 epochs"):
        searched.report(trial, step=40, value=0.1)
    with pytest.raises(StudyError, match="there is no trial 7"):
        searched.report(7, value=0.1)


def test_the_step_at_which_trials_are_compared_wants_the_objective() -> None:
    searched = study(None)
    trial = searched.ask()
    for wrong in ({"step": 2, "value": 0.1}, {"step": 1, "other": 0.1}):
        with pytest.raises(ReportError, match="compared by value at step 1"):
            searched.report(trial, **wrong)
    assert searched.report(trial, step=1, value=0.1)


def test_a_study_that_is_open_for_reading_takes_no_report(tmp_path: Path) -> None:
    with study(None, path=tmp_path) as searched:
        trial = searched.ask()
        with ct.Study.open(tmp_path) as reading, pytest.raises(StudyError, match="opened for reading"):
            reading.report(trial.number, value=0.1)
        assert not searched.trials[trial.number].steps


def test_epochs_that_are_trained_again_are_paid_again() -> None:
    calls: list[tuple[int, int]] = []
    searched = study(counted(calls))
    for total in (7, 20, 35, 50, 80, 120):
        searched.optimize(trials=100, total_epochs=total, progress=False)
        assert len(calls) == searched.history.steps_paid <= total
