"""Who trains all folds, and who is stopped after the first ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cotune as ct
from builders import done, history_of, plane, started
from cotune.errors import StudyError
from cotune.records import FOLDS, Finished, Reached, Reported, Setting, State, Suggestion, steps_of_fold
from cotune.schedulers import Race
from cotune.schedulers.race import _worst_fold
from cotune.study.budget import Budget
from simulation import Simulation

FINITE = st.floats(-1e3, 1e3)


@dataclass
class Mean:
    """The mean over a trial's folds so far, each of one step."""

    folds: list[list[float]]

    def __call__(self, number: int, step: int) -> float:
        return math.fsum(self.folds[number][:step]) / step


def raced(folds: list[list[float]], slots: int = 1, **options: object) -> Simulation:
    budget = Budget(trials=len(folds))
    return Simulation(Race(), Mean(folds), steps=len(folds[0]), slots=slots, budget=budget, **options).run()


def test_a_trial_is_stopped_when_its_mean_is_worse_than_the_worst_fold_of_the_best() -> None:
    run = raced([[1.0, 2.0, 3.0], [3.5, 2.0, 1.0], [2.9, 3.3, 1.0]])
    assert run.trained == {0: 3, 1: 1, 2: 2} and run.stopped == [1, 2]


def test_a_stop_says_after_which_fold_and_why() -> None:
    stop = raced([[1.0, 2.0, 3.0], [2.9, 3.3, 1.0]]).history.decision(1)["stop"]
    assert stop == {
        "why": "its mean is worse than the worst fold of the best trial", "rung": 2, "fold": 2, "incumbent": 0,
        "threshold": pytest.approx(3.0), "mean": pytest.approx(3.1),
    }  # fmt: skip


def test_nobody_is_stopped_before_a_trial_has_trained_all_folds() -> None:
    assert raced([[1.0, 1.0], [9.0, 9.0]], slots=2, order=max).trained == {0: 2, 1: 2}
    assert raced([[1.0, 1.0], [9.0, 9.0]], slots=2, order=min).trained == {0: 2, 1: 1}


def test_one_bad_fold_of_the_best_is_forgiven_in_others() -> None:
    assert not raced([[1.0, 9.0, 1.0], [8.0, 8.0, 8.0]]).stopped


def test_the_best_is_the_one_with_the_lowest_mean_whatever_its_worst_fold() -> None:
    run = raced([[3.0, 3.0], [0.0, 5.0], [4.0, 4.0], [1.0, 1.0], [2.0, 2.0]])
    assert run.stopped == [4] and run.history.decision(4)["stop"]["incumbent"] == 3


def test_a_tie_goes_on() -> None:
    folds = [0.1, 0.2, 0.6]  # of their means, 0.6 comes out as 0.5999999999999999
    assert not raced([folds, [0.6, 0.6, 0.6], [0.6, 0.2, 0.1]]).stopped


def test_a_metric_that_is_maximised_is_told_in_its_own_sign() -> None:
    folds = [[0.9, 0.8], [0.7, 1.0]]
    run = raced(folds, objectives={"accuracy": True})
    stop = run.history.decision(1)["stop"]
    assert run.stopped == [1] and stop["threshold"] == pytest.approx(0.8) and stop["mean"] == pytest.approx(0.7)


def test_a_mean_that_is_not_a_number_never_recovers() -> None:
    run = raced([[1.0, 1.0], [math.nan, 1.0]])
    assert run.stopped == [1] and "mean" not in run.history.decision(1)["stop"]


def test_a_failed_trial_is_no_measure_for_others() -> None:
    run = Simulation(Race(), lambda n, s: None if n == 0 else float(n), steps=3, budget=Budget(trials=3)).run()
    assert run.trained == {0: 0, 1: 3, 2: 1}


def test_it_compares_one_objective() -> None:
    with pytest.raises(StudyError, match="scheduler='race' compares one objective, the study has 2"):
        Simulation(Race(), lambda n, step: 1.0, objectives={"a": False, "b": False}).run()


def test_what_is_not_reported_cannot_be_compared() -> None:
    study = ct.Study(lambda trial: [1.0 for _ in trial.epochs()][-1], {"x": (0.0, 1.0)}, minimize="value", epochs=3,
                     strategy="random", scheduler="race")  # fmt: skip
    with pytest.raises(StudyError, match=r"trial.report\(value=...\) in every epoch"):
        study.optimize(trials=3, progress=False)


@given(st.lists(FINITE, min_size=1, max_size=10))
def test_the_worst_fold_is_found_again_from_the_means(folds: list[float]) -> None:
    mean, n = Mean([folds]), len(folds)
    curve = [mean(0, step) for step in range(1, n + 1)]
    history = history_of(plane(), [
        started(0, {"x": 0.5, "n": 3}), Reported(0, 1, list(range(1, n + 1)), {"value": curve}),
        Finished(0, 1, n, {"value": curve[-1]}),
    ], steps=n)  # fmt: skip
    assert _worst_fold(history, 0) == pytest.approx(max(folds), abs=1e-9 * max(map(abs, folds)) + 1e-300)


def test_folds_of_a_task_end_where_its_epochs_do() -> None:
    space = ct.Space(epochs=[1, 2, 4])
    history = history_of(space, [Setting(FOLDS, 3)], steps=12)
    assert [steps_of_fold(history, space.complete({"epochs": n})) for n in (1, 2, 4)] == [1, 2, 4]

    def suggest(n: int) -> list[Suggestion]:
        return [Suggestion(space.complete({"epochs": epochs}), {}) for epochs in (1, 2, 4)][:n]

    assert [action.until for action in Race().plan(history, 3, suggest, lambda number: None)] == [1, 2, 4]


def test_a_trial_that_another_scheduler_left_amid_a_fold_trains_it_to_its_end() -> None:
    one = {"x": 0.5, "n": 3}
    history = history_of(plane(), [
        Setting(FOLDS, 3), started(0, one), Reported(0, 1, [4, 8, 12], {"value": [1.0] * 3}), done(0, 1.0, step=12),
        started(1, one, until=3), Reported(1, 1, [3], {"value": [9.0]}), Reached(1, 1, 3),
        started(2, one, until=4), Reported(2, 1, [4], {"value": [9.0]}), Reached(2, 1, 4),
    ], steps=12)  # fmt: skip
    resumed, stopped = Race().plan(history, 2, lambda n: [], lambda number: None)
    assert (resumed.number, resumed.until, stopped.number) == (1, 4, 2)


def test_the_last_fold_of_every_trial_ends_at_the_last_step() -> None:
    """So that a trial with fewer epochs is as much of a contender as the others."""
    space = ct.Space(epochs=[2, 4])
    config = space.complete({"epochs": 2})
    history = history_of(space, [Setting(FOLDS, 3), started(0, dict(config), until=2)], steps=12)
    ends = [0]
    while ends[-1] < 12:
        ends.append(Race().judge(history, 0, ends[-1]).until)
    assert ends == [0, 2, 4, 12] and all(low < high for low, high in pairwise(ends))


def test_folds_that_a_function_reports_are_raced() -> None:
    def train(trial: object) -> None:
        scores: list[float] = []
        for fold in trial.epochs():
            scores.append(trial.config.x + 0.01 * fold)
            trial.report(value=sum(scores) / len(scores))

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="value", epochs=5, strategy="random", scheduler="race")
    study.optimize(trials=20, progress=False)
    assert {trial.state for trial in study.trials} == {State.DONE, State.STOPPED}
    best, all_x = study.best, [trial.config.x for trial in study.trials]
    assert best.config.x == min(all_x) and best.trial.steps[-1] == 5


def test_asked_trials_are_raced_by_what_is_reported() -> None:
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", epochs=3, scheduler="race", strategy="random")
    first, second = study.ask(), study.ask()
    for _ in range(3):
        assert study.report(first, value=1.0)
    study.tell(first, 1.0)
    assert not study.report(second, value=2.0)
    assert study.trials[second.number].state is State.STOPPED
