"""Schedulers in whole searches: functions, tasks, fused lanes, and searches that were killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch

import cotune as ct
from cotune.errors import Interrupted, StudyError
from cotune.records import State

SPACE = {"x": (0.0, 1.0)}
SCHEDULERS = ["asha", "halving", "hyperband", "median", "race"]


def train(trial: object) -> None:
    for epoch in trial.epochs():
        trial.report(value=trial.config.x + 1 / (epoch + 1))


def tracking(before: Callable[[int, int], None]) -> Callable[[object], None]:
    """The same with a state that it keeps, so that nothing is trained twice. before: of each (trial, epoch)."""

    def objective(trial: object) -> None:
        trial.track(own=torch.Generator())
        for epoch in trial.epochs():
            before(trial.number, epoch)
            trial.report(value=trial.config.x + 1 / (epoch + 1))

    return objective


def interrupting(at: int) -> Callable[[object], None]:
    """The same, with a signal in one epoch of all that are trained."""
    calls = count(1)

    def signalled(_number: int, _epoch: int) -> None:
        if next(calls) == at:
            signal.raise_signal(signal.SIGINT)

    return tracking(signalled)


def study(objective: object = train, scheduler: object = "asha", **options: object) -> ct.Study:
    chosen = {"minimize": "value", "epochs": 9, "strategy": "random", **options}
    return ct.Study(objective, SPACE, scheduler=scheduler, **chosen)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_most_trials_end_early_and_the_best_is_trained_to_its_end(scheduler: str) -> None:
    searched = study(scheduler=scheduler).optimize(trials=20, progress=False)
    ends = [trial.steps[-1] for trial in searched.trials]
    assert len(ends) == 20 and sum(ends) < 20 * 9 * 0.8
    best = searched.best.trial
    assert best.steps[-1] == 9 and best.state is State.DONE
    assert not searched.history.running


def test_no_epoch_is_trained_twice() -> None:
    calls: list[tuple[int, int]] = []
    study(tracking(lambda *epoch: calls.append(epoch))).optimize(trials=20, progress=False)
    assert len(calls) == len(set(calls))


def test_a_search_in_pieces_equals_one_in_one_go() -> None:
    whole = study().optimize(trials=30, progress=False)
    pieces = study()
    for trials in (30, 30):
        pieces.optimize(trials=trials, total_epochs=40, progress=False)
    pieces.optimize(trials=30, progress=False)
    assert [(t.config, t.steps, t.state) for t in whole.trials] == [(t.config, t.steps, t.state) for t in pieces.trials]


def test_a_budget_of_epochs_is_never_exceeded() -> None:
    searched = study().optimize(total_epochs=50, progress=False)
    assert sum(trial.steps[-1] for trial in searched.trials) == searched.history.steps_paid <= 50


def test_the_outline_is_told_before_the_first_trial(capsys: pytest.CaptureFixture[str]) -> None:
    study(scheduler="hyperband").optimize(trials=1)
    assert "9 x 1, 3 x 3, 1 x 9 epochs; 5 x 3, 1 x 9 epochs; 3 x 9 epochs" in capsys.readouterr().err


def test_a_function_that_reports_nothing_is_an_error_that_says_so() -> None:
    with pytest.raises(StudyError, match=r"trial.report\(value=...\) in every epoch"):
        study(lambda trial: [0.5 for _ in trial.epochs()][-1]).optimize(trials=9, progress=False)


def test_a_function_without_epochs_is_trained_in_full_by_every_scheduler() -> None:
    searched = study(lambda trial: trial.config.x, epochs=None).optimize(trials=9, progress=False)
    assert {trial.state for trial in searched.trials} == {State.DONE}


def test_two_objectives_go_on_by_dominance() -> None:
    def two(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(a=trial.config.x + 1 / (epoch + 1), b=trial.config.x)

    searched = study(two, minimize=["a", "b"]).optimize(trials=20, progress=False)
    assert all(best.trial.steps[-1] == 9 for best in searched.front)


def test_asked_trials_run_in_full() -> None:
    asked = ct.Study(None, SPACE, minimize="value", scheduler="asha", strategy="random")
    for _ in range(4):
        trial = asked.ask()
        asked.tell(trial, trial.config.x)
    assert {trial.state for trial in asked.trials} == {State.DONE}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_study_that_was_interrupted_anywhere_goes_on_as_if_it_had_not(scheduler: str, tmp_path: Path) -> None:
    whole = study(interrupting(0), scheduler, seed=4).optimize(trials=14, progress=False)
    pieces = None
    for at in (3, 11, 17, 0):
        try:
            pieces = study(interrupting(at), scheduler, seed=4, path=tmp_path).optimize(trials=14, progress=False)
        except Interrupted:
            continue
    assert pieces is not None
    results = [[(t.config, t.steps, t.curve, t.state, t.decision) for t in s.trials] for s in (whole, pieces)]
    for one, other in zip(*results, strict=True):
        assert one == other


def test_the_panel_counts_trials_that_pause(capsys: pytest.CaptureFixture[str]) -> None:
    study().optimize(trials=20)
    assert "20/20 trials" in capsys.readouterr().err


def test_trials_may_be_compared_by_shares_of_the_data_each_trained_once() -> None:
    trained: list[tuple[int, float]] = []

    def train(trial: object) -> None:
        for share in trial.shares():
            trained.append((trial.number, round(share * 9)))
            trial.report(value=trial.config.x + 1 / share)

    searched = study(train).optimize(trials=20, progress=False)
    assert len(trained) == len(set(trained)) and {step for _, step in trained} == {1, 3, 9}
    assert all(set(trial.steps) <= {1, 3, 9} for trial in searched.trials)
    assert searched.best.trial.steps == [1, 3, 9] and searched.best.trial.state is State.DONE


def test_without_a_scheduler_a_trial_is_trained_with_all_of_the_data() -> None:
    def train(trial: object) -> float:
        assert list(trial.shares()) == [1.0]
        return trial.config.x

    assert study(train, scheduler="none").optimize(trials=3, progress=False).history.count(State.DONE) == 3


def test_folds_are_steps_like_others() -> None:
    """The mean over the folds so far is what trials are compared by."""
    trained: list[tuple[int, int]] = []

    def train(trial: object) -> None:
        scores: list[float] = []
        for fold in trial.epochs():
            trained.append((trial.number, fold))
            scores.append(trial.config.x + 0.01 * fold)
            trial.report(value=sum(scores) / len(scores))

    searched = study(train, epochs=5).optimize(trials=20, progress=False)
    assert {trial.steps[-1] for trial in searched.trials} == {2, 5} and len(trained) == len(set(trained))
    assert all(trial.metrics["value"] > trial.config.x for trial in searched.trials)
