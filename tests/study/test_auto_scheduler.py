"""What `scheduler="auto"` takes, and that a study keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import cotune as ct
from cotune.errors import NoResult
from cotune.records import Setting, State
from cotune.schedulers import ASHA, Hyperband, Plain, share_of_steps
from cotune.strategies import Random
from cotune.strategies.bayesian import BayesianOptimization
from cotune.study.auto import choose_scheduler

SPACE = {"x": (0.0, 1.0)}


def tracking(trial: object) -> None:
    trial.track(own=torch.Generator())
    for epoch in trial.epochs():
        trial.report(value=trial.config.x + 1 / (epoch + 1))


def returning(trial: object) -> float:
    for _ in trial.epochs():
        pass
    return trial.config.x


def study(objective: object = tracking, **options: object) -> ct.Study:
    return ct.Study(objective, SPACE, **{"minimize": "value", "epochs": 9, **options})


def digits(**options: object) -> ct.Study:
    task = ct.Task(
        model=lambda c: torch.nn.Linear(64, 10), data=ct.data.digits(), loss=torch.nn.CrossEntropyLoss(), epochs=9,
        metrics=["loss"],
    )  # fmt: skip
    return ct.Study(task, {"learning_rate": ct.Float(1e-3, 1.0, log=True)}, executor="inline", **options)


def lengths(searched: ct.Study) -> list[int]:
    return [trial.steps[-1] for trial in searched.trials]


@pytest.mark.parametrize(
    ("strategy", "steps", "name", "why"),
    [
        (BayesianOptimization(), 9, "asha", "behind"),
        (BayesianOptimization(), 2, "none", "2 epochs are too few"),
        (Random(), 9, "none", "unfinished trials"),
    ],
)
def test_it_depends_on_the_strategy_and_on_the_epochs(strategy: object, steps: int, name: str, why: str) -> None:
    chosen, reason = choose_scheduler(strategy, steps)
    assert chosen == name and why in reason


def test_folds_that_train_one_after_another_race_whatever_the_strategy() -> None:
    assert choose_scheduler(Random(), 2, races=True)[0] == "race"


def test_trials_of_a_task_are_left_early_and_the_choice_is_kept() -> None:
    searched = digits().optimize(trials=12, progress=False)
    assert searched.settings["scheduler"]["name"] == "asha"
    assert lengths(searched).count(1) >= 6 and max(lengths(searched)) == 9


def test_a_function_that_tracks_is_left_early_after_its_first_trial() -> None:
    searched = study().optimize(trials=12, progress=False)
    assert lengths(searched)[0] == 9 and lengths(searched).count(1) >= 6


def test_a_function_that_only_returns_is_never_left() -> None:
    searched = study(returning).optimize(trials=12, progress=False)
    assert all(trial.state is State.DONE for trial in searched.trials)


def test_a_function_with_a_loop_of_its_own_that_never_leaves_has_its_results() -> None:
    def deaf(trial: object) -> None:
        trial.track(own=torch.Generator())
        for epoch in range(9):
            trial.report(value=trial.config.x + 1 / (epoch + 1))

    searched = study(deaf).optimize(trials=8, progress=False)
    assert {trial.state for trial in searched.trials} == {State.DONE}
    assert searched.best.value == min(trial.curve["value"][-1] for trial in searched.trials)


def test_a_target_is_reached_by_a_paused_trial_as_long_as_none_is_done() -> None:
    searched = digits(strategy="random", scheduler="asha")
    searched.optimize(trials=500, target=2.2, progress=False)
    assert searched.best.trial.state is State.PAUSED and searched.best.value <= 2.2 and len(searched.trials) < 10


@pytest.mark.parametrize("options", [{"strategy": "random"}, {"scheduler": "none"}, {"epochs": 2}])
def test_elsewhere_every_trial_is_trained_to_its_end(options: dict) -> None:
    searched = study(**options).optimize(trials=8, progress=False)
    assert set(lengths(searched)) == {options.get("epochs", 9)}


def test_without_epochs_there_is_nothing_to_choose() -> None:
    searched = ct.Study(lambda trial: trial.config.x, SPACE, minimize="value").optimize(trials=3, progress=False)
    assert "scheduler" not in searched.settings


def test_a_trial_that_was_enqueued_first_changes_nothing() -> None:
    searched = study()
    searched.enqueue({"x": 0.5})
    assert searched.optimize(trials=6, progress=False).settings["scheduler"]["name"] == "asha"


def test_a_study_that_was_begun_before_there_was_a_choice_goes_on_as_it_was(tmp_path: Path) -> None:
    """As versions did that knew no early stopping by themselves: trials, and no setting."""
    with study(path=tmp_path, scheduler="none") as old:
        old.optimize(trials=4, progress=False)
        assert not any(isinstance(e, Setting) and e.name == "scheduler" for e in old._log.storage.read(0))
    with study(path=tmp_path) as again:
        again.optimize(trials=8, progress=False)
        assert again.settings["scheduler"]["name"] == "none" and set(lengths(again)) == {9}


def test_an_interrupted_budget_resumes_with_the_same_choice(tmp_path: Path) -> None:
    for trials in (6, 12):
        with study(path=tmp_path) as searched:
            searched.optimize(trials=trials, progress=False)
    whole = study().optimize(trials=12, progress=False)
    assert lengths(searched)[:3] == lengths(whole)[:3] and len(lengths(searched)) == 12


def test_the_best_is_a_paused_trial_as_long_as_none_is_done() -> None:
    searched = digits(strategy="random", scheduler="asha")
    with pytest.raises(NoResult):
        _ = searched.best
    searched.optimize(total_epochs=5, progress=False)
    states = {trial.state for trial in searched.trials}
    assert states == {State.PAUSED}
    furthest = [trial for trial in searched.trials if trial.steps[-1] == max(lengths(searched))]
    best = searched.best
    assert best.number == min(furthest, key=lambda trial: trial.metrics["loss"]).number
    assert best.value == best.metrics["loss"] == best.trial.curve["loss"][-1]
    assert isinstance(best.model(), torch.nn.Linear)
    searched.optimize(total_epochs=40, progress=False)
    assert searched.best.trial.state is State.DONE


def test_the_share_of_its_epochs_that_a_trial_gets() -> None:
    assert share_of_steps(ASHA(), 9) == pytest.approx((1 + 2 / 3 + 6 / 9) / 9)
    assert share_of_steps(ASHA(), 1) == share_of_steps(Plain(), 9) == share_of_steps(Hyperband(), 9) == 1.0
