from __future__ import annotations

import math
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

import cotune as ct
from cotune.errors import StudyError, StudyStopped
from cotune.records import State
from cotune.storage import SqliteStorage

SPACE = {"x": (-2.0, 2.0)}


def square(trial: object) -> float:
    return (trial.config.x - 1) ** 2


def study(objective: object = square, **options: object) -> ct.Study:
    return ct.Study(objective, options.pop("space", SPACE), **{"strategy": "random", **options})


def test_a_budget_of_trials_is_a_total() -> None:
    ours = study()
    for trials in (3, 3, 5, 2):
        ours.optimize(trials=trials, progress=False)
    assert len(ours.trials) == 5


def test_enqueued_trials_count() -> None:
    ours = study()
    ours.enqueue({"x": 1.0})
    ours.optimize(trials=2, progress=False)
    assert len(ours.trials) == 2 and ours.best.number == 0 and ours.best.value == 0.0


def epochs(trial: object) -> None:
    for epoch in trial.epochs():
        trial.report(value=trial.config.x + epoch)


def test_a_budget_of_epochs_is_never_exceeded() -> None:
    ours = study(epochs, epochs=4)
    ours.optimize(total_epochs=11, progress=False)
    assert ours.history.steps_paid == 8 and len(ours.trials) == 2
    ours.optimize(total_epochs=12, progress=False)
    assert ours.history.steps_paid == 12


def test_a_budget_of_seconds_ends_the_search() -> None:
    ours = study(lambda trial: __import__("time").sleep(0.05) or trial.config.x)
    ours.optimize(seconds=0.4, progress=False)
    assert 2 <= len(ours.trials) <= 9
    n = len(ours.trials)
    ours.optimize(seconds=0.1, progress=False)
    assert len(ours.trials) == n


@pytest.mark.parametrize(
    "budget",
    [{}, {"trials": 0}, {"trials": 1.5}, {"trials": -1}, {"trials": True}, {"total_epochs": 0}, {"seconds": 0},
     {"seconds": "1"}, {"seconds": math.nan}],
)  # fmt: skip
def test_a_budget_that_makes_no_sense_is_refused(budget: dict) -> None:
    with pytest.raises(StudyError, match="study.optimize"):
        study().optimize(**budget)


def test_the_grid_ends_before_the_budget() -> None:
    ours = study(lambda trial: trial.config.a, space={"a": [3, 1, 2]}, strategy="grid")
    ours.optimize(trials=100, progress=False)
    assert len(ours.trials) == 3 and ours.best.config.a == 1


def test_auto_takes_the_grid_when_it_fits_and_says_so() -> None:
    ours = study(lambda trial: trial.config.a, space={"a": [3, 1, 2]}, strategy="auto").optimize(5, progress=False)
    assert ours.settings["strategy"]["name"] == "grid" and "3 combinations" in ours.settings["strategy"]["why"]


def test_auto_keeps_its_choice_when_the_budget_grows(tmp_path: Path) -> None:
    for trials in (5, 20):
        ours = study(lambda trial: trial.config.a, space={"a": list(range(9))}, strategy="auto", path=tmp_path)
        ours.optimize(trials=trials, progress=False)
        ours.close()
    assert ours.settings["strategy"]["name"] == "sobol"
    assert {trial.decision["strategy"] for trial in ours.trials} == {"sobol"}


def test_the_first_three_alike_failures_end_the_search_with_their_error() -> None:
    calls = []

    def broken(trial: object) -> float:
        calls.append(trial.number)
        raise KeyError("batch_sice")

    ours = study(broken)
    with pytest.raises(StudyStopped, match=r"(?s)KeyError: 'batch_sice'.*test_optimize\.py"):
        ours.optimize(trials=50, progress=False)
    with pytest.raises(StudyStopped):
        ours.optimize(trials=50, progress=False)
    assert len(calls) == 6


def test_failures_after_a_success_do_not_end_the_search() -> None:
    ours = study(lambda trial: trial.config.x if trial.number == 0 else math.nan).optimize(10, progress=False)
    assert ours.history.count(State.FAILED) == 9


def test_different_failures_do_not_end_the_search() -> None:
    def broken(trial: object) -> float:
        if trial.number % 2:
            raise ValueError
        return math.nan

    assert len(study(broken).optimize(6, progress=False).trials) == 6


def test_a_hyperparameter_that_the_function_ignores_is_warned_about_once() -> None:
    with pytest.warns(UserWarning, match="trial 0 did not read y") as caught:
        ct.minimize(lambda c: c.x, {"x": (0.0, 1.0), "y": (0.0, 1.0)}, trials=3)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ct.minimize(lambda c: sum(c.values()), {"x": (0.0, 1.0), "y": (0.0, 1.0)}, trials=3)


def test_maximize_finds_the_highest() -> None:
    ours = ct.maximize(lambda c: -((c.x - 0.5) ** 2), {"x": (0.0, 1.0)}, trials=50)
    assert abs(ours.best.config.x - 0.5) < 0.05 and ours.objectives == {"value": "maximize"}


def test_studies_in_two_threads_share_the_work_of_one_path(tmp_path: Path) -> None:
    def work() -> None:
        with study(path=tmp_path) as ours:
            ours.optimize(trials=60, progress=False)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = study().optimize(trials=60, progress=False)
    with ct.Study.open(tmp_path) as shared:
        assert len(shared.trials) == 60
        assert [trial.metrics for trial in shared.trials] == [trial.metrics for trial in whole.trials]


def test_processes_share_the_work_and_the_budget_exactly(tmp_path: Path) -> None:
    code = (
        "import sys, time, cotune as ct\n"
        "def f(trial):\n    time.sleep(0.01)\n    return trial.config.x\n"
        "ct.Study(f, {'x': (0.0, 1.0)}, path=sys.argv[1], strategy='random').optimize(trials=40, progress=False)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    with ct.Study.open(tmp_path) as shared:
        assert len(shared.trials) == 40 and shared.history.count(State.DONE) == 40


def test_every_decision_can_be_replayed_from_what_it_had_seen(tmp_path: Path) -> None:
    from cotune.records import History, Started
    from cotune.schedulers import Plain
    from cotune.strategies import Random, StartsFirst
    from cotune.study.budget import Budget
    from cotune.study.planner import Planner

    study(path=tmp_path).optimize(trials=10, progress=False)
    events = SqliteStorage(tmp_path).read(0)
    for event in events:
        if isinstance(event, Started):
            past = History()
            past.extend(events[: event.seen])
            planner = Planner(StartsFirst(Random()), Plain(), Budget(trials=10))
            assert planner.plan(past, 1, event.worker) == [event]


def test_an_objective_that_is_no_function_is_refused() -> None:
    with pytest.raises(StudyError, match="first argument"):
        study(3)


def test_an_opened_study_cannot_train_and_says_how(tmp_path: Path) -> None:
    study(path=tmp_path).optimize(trials=1, progress=False)
    opened = ct.Study.open(tmp_path)
    for decide in (lambda: opened.optimize(trials=3), opened.ask, lambda: opened.enqueue({"x": 0.5})):
        with pytest.raises(StudyError, match=r"opened for reading.*Study\(task, space, path=...\)"):
            decide()
    with pytest.raises(StudyError, match="nothing to train"):
        ct.Study(None, SPACE).optimize(trials=3)


def test_an_enqueued_trial_beyond_the_budget_waits() -> None:
    ours = study().optimize(trials=3, progress=False)
    ours.enqueue({"x": 1.0})
    assert ours.optimize(trials=3, progress=False).history.waiting == {3}
    assert ours.optimize(trials=4, progress=False).best.number == 3


def test_a_function_that_reports_as_often_as_it_likes_is_ranked_by_its_result() -> None:
    def train(trial: object) -> float:
        for step in range(1 + trial.number % 3):
            assert trial.report(loss=trial.config.x + step)
        return trial.config.x

    ours = study(train).optimize(trials=9, progress=False)
    assert ours.best.value == min(trial.config.x for trial in ours.trials)


def test_an_interrupt_raised_by_the_users_code_ends_the_search_like_a_signal() -> None:
    def train(trial: object) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return trial.config.x

    ours = study(train)
    with pytest.raises(ct.Interrupted) as caught:
        ours.optimize(trials=3, progress=False)
    assert caught.value.code == 130 and ours.history.waiting == {1}


def test_a_trial_left_between_its_last_epoch_and_its_outcome_ends_with_what_it_had_reported() -> None:
    import torch

    left = []

    def train(trial: object) -> None:
        x = trial.config.x
        trial.track(net=torch.nn.Linear(1, 1))
        for epoch in trial.epochs(at_most=2):
            trial.report(value=x + epoch)
            left.append(epoch)
        if len(left) == 2:
            raise KeyboardInterrupt

    ours = study(train, epochs=4, executor=ct.Inline(checkpoint_s=0.0))
    with pytest.raises(ct.Interrupted):
        ours.optimize(trials=1, progress=False)
    left.append(2)
    ours.optimize(trials=1, progress=False)
    assert left == [0, 1, 2]  # no epoch was trained again
    assert ours.best.value == ours.best.config.x + 1


def test_epochs_without_a_number_is_a_failure_that_says_what_to_do() -> None:
    ours = study(epochs)
    with pytest.raises(StudyStopped, match="epochs=30"):
        ours.optimize(trials=5, progress=False)


def test_the_number_of_epochs_cannot_change_on_a_path(tmp_path: Path) -> None:
    study(epochs, epochs=4, path=tmp_path).close()
    with pytest.raises(StudyError, match="epochs: 4 there, 5 here"):
        study(epochs, epochs=5, path=tmp_path)


@pytest.mark.parametrize("search", [ct.minimize, ct.maximize])
def test_what_is_no_function_is_refused_before_trial_0(search: object, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="take a function of a configuration, got 3"):
        search(3, SPACE, trials=2, path=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"checkpoint_s": -1}, {"checkpoint_s": "30"}])
def test_a_typo_in_an_executors_option_is_refused(options: dict) -> None:
    with pytest.raises(ct.CotuneError, match=next(iter(options))):
        ct.Inline(**options)
