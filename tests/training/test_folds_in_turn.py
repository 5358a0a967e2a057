"""Folds as a race: the folds of a trial train one after another, and come to what they come to side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import cotune as ct
from cotune.executors.objective import OfTask
from cotune.records import State
from cotune.training import Isolated, Run, folds

X = torch.randn(103, 6, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).long()
SPACE = {"learning_rate": ct.Float(1e-3, 1.0, log=True), "batch_size": [16, 32], "drop": ct.Float(0.0, 0.3)}
CONFIG = {"learning_rate": 0.1, "batch_size": 16, "drop": 0.2}


def task(validation: object = ct.KFold(3, race=True), **options: object) -> ct.Task:
    def model(config: Mapping) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(config.drop), nn.Linear(8, 2))

    given = {"metrics": ["accuracy", "f1"], "epochs": 2, "test": 0.1, **options}
    return ct.Task(model=model, data=(X, Y), loss=nn.CrossEntropyLoss(), validation=validation, **given)


def study(executor: object = "inline", path: Path | None = None, space: Mapping = SPACE, **options: object) -> ct.Study:
    chosen = {"strategy": "random", "scheduler": "auto"}
    chosen |= {name: options.pop(name) for name in [*options] if name in ("strategy", "scheduler")}
    return ct.Study(task(**options), space, executor=executor, seed=3, path=path, **chosen)


def searched(executor: object = "inline", trials: int = 8, **options: object) -> ct.Study:
    return study(executor, **options).optimize(trials=trials, progress=False)


def facts(one: ct.Study) -> list[str]:
    """To the last bit, NaN included."""
    return [repr((trial.config, str(trial.state), trial.steps, trial.curve)) for trial in one.trials]


def test_every_step_tells_the_mean_of_the_folds_so_far_and_its_error_from_the_second_on() -> None:
    with Isolated() as isolated:
        in_turn = folds(task(), CONFIG, {"accuracy": True}, isolated=isolated, seed=5)
        told = [in_turn.train_epoch(step) for step in range(in_turn.epochs)]
        alone = []
        for fold in range(3):
            run = Run(task(), CONFIG, isolated=isolated, seed=5, fold=fold)
            alone.append([run.train_epoch(epoch) for epoch in range(2)])
    assert in_turn.epochs == 6
    for step, metrics in enumerate(told):
        so_far = [own[-1]["loss"] for own in alone[: step // 2]] + [alone[step // 2][step % 2]["loss"]]
        assert metrics["loss"] == pytest.approx(sum(so_far) / len(so_far), abs=1e-12)
        assert ("accuracy_se" in metrics) is (step >= 2)


@pytest.mark.parametrize("validation", [ct.KFold, ct.TimeSeries])
def test_after_the_last_fold_the_metrics_are_those_of_folds_side_by_side(validation: type) -> None:
    in_turn, side_by_side = (
        searched(trials=3, scheduler="none", validation=validation(3, race=race)) for race in (True, False)
    )
    for one, other in zip(in_turn.trials, side_by_side.trials, strict=True):
        assert (one.metrics, one.steps[-1], other.steps[-1]) == (other.metrics, 6, 2)


def test_lanes_train_one_fold_of_each_trial_at_a_time_to_the_same_results() -> None:
    fused, alone = searched(ct.Fused(lanes=8), scheduler="none"), searched(scheduler="none")
    for here, there in zip(fused.trials, alone.trials, strict=True):
        assert here.steps == there.steps == [1, 2, 3, 4, 5, 6]
        assert all(here.metrics[name] == pytest.approx(there.metrics[name], abs=2e-4) for name in there.metrics)
    assert ct.Fused(lanes=8).trials(OfTask(task(), {"accuracy": True})) == 8


def test_a_race_in_lanes_does_not_depend_on_which_trials_are_beside_it() -> None:
    """With one trial in a lane the others are at other folds."""
    narrow, wide = (searched(ct.Fused(lanes=lanes), scheduler="none") for lanes in (1, 5))
    assert facts(narrow) == facts(wide)


@pytest.mark.parametrize("executor", ["inline", ct.Fused(lanes=2)])
def test_a_trial_that_is_clearly_worse_on_its_first_folds_trains_no_others(executor: object) -> None:
    one = searched(executor, trials=12)
    assert one.settings["scheduler"]["name"] == "race" and one.settings["folds"] == 3
    stopped = [trial for trial in one.trials if trial.state is State.STOPPED]
    assert stopped and {trial.steps[-1] for trial in stopped} <= {2, 4}
    assert one.best.trial.state is State.DONE and one.best.trial.steps[-1] == 6
    assert one.history.steps_paid == sum(trial.steps[-1] for trial in one.trials) < 12 * 6


def test_a_fold_that_was_trained_in_a_lane_holds_no_memory_of_its_neighbours() -> None:
    models = list[nn.Module]()

    def model(config: Mapping) -> nn.Module:
        models.append(nn.Linear(6, 2))
        return models[-1]

    def n_sharing(n_folds: int) -> int:
        models.clear()
        data = {"data": (X[:100], Y[:100]), "loss": nn.CrossEntropyLoss(), "validation": ct.KFold(n_folds, race=True)}
        one = ct.Study(ct.Task(model=model, **data), {"learning_rate": (0.1, 0.2)}, executor=ct.Fused(lanes=4),
                       scheduler="none", strategy="random")  # fmt: skip
        one.optimize(trials=4, progress=False)
        return sum(model.weight.untyped_storage().nbytes() > model.weight.nbytes for model in models)

    assert n_sharing(5) == n_sharing(2)


@pytest.mark.xdist_group("processes")
def test_a_race_in_processes_is_the_same_as_one_in_this() -> None:
    apart = searched(ct.Processes(workers=1, ordered=True, at_once=1), trials=4)
    assert facts(apart) == facts(searched(trials=4))


def test_where_it_is_measured_what_trains_a_race_is_the_same() -> None:
    measured = searched("auto", trials=6)
    assert facts(measured) == facts(searched(trials=6)) and measured.settings["engine"]["lanes"] == 1


def test_budgets_count_the_epochs_of_every_fold() -> None:
    one = study(scheduler="none").optimize(total_epochs=15, progress=False)
    assert one.history.steps == 6 and [trial.steps[-1] for trial in one.trials] == [6, 6]


@pytest.mark.parametrize("executor", ["inline", ct.Fused(lanes=3, checkpoint_s=0.0)])
def test_a_race_that_was_cut_anywhere_goes_on_to_the_same_bits(executor: object, tmp_path: Path) -> None:
    whole = facts(searched(executor, trials=6))
    for total_epochs in (5, 9, 16, 30, 100):
        with study(executor, tmp_path) as part:
            result = facts(part.optimize(trials=6, total_epochs=total_epochs, progress=False))
    assert result == whole


@pytest.mark.parametrize("scheduler", ["asha", "median", "hyperband", "halving"])
def test_other_schedulers_judge_by_these_steps_too(scheduler: str) -> None:
    one = searched(trials=9, scheduler=scheduler)
    assert {trial.steps[-1] for trial in one.trials} > {6} and one.best.trial.steps[-1] == 6


@pytest.mark.parametrize("executor", ["inline", ct.Fused(lanes=4)])
def test_trials_of_fewer_epochs_have_shorter_folds(executor: object) -> None:
    space = {**SPACE, "epochs": [1, 2, 3]}
    one = searched(executor, trials=12, epochs=3, space=space)
    for trial in one.trials:
        each = trial.config["epochs"]
        assert trial.steps[-1] == 3 * each if trial.state is State.DONE else trial.steps[-1] in (each, 2 * each)
    assert {trial.state for trial in one.trials} == {State.DONE, State.STOPPED}
    best = one.best
    assert best.schedule.epochs == best.config["epochs"] == len(ct.fit(task(epochs=3), best.schedule).curve["loss"])


def test_the_models_of_the_folds_that_were_trained_can_be_had() -> None:
    in_turn, side_by_side = (searched(trials=12, validation=ct.KFold(3, race=race)) for race in (True, False))
    best, same = in_turn.best, side_by_side.load(in_turn.best.number)
    for fold in range(3):
        one, other = (dict(winner.model(fold=fold).named_parameters()) for winner in (best, same))
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert best.test() == same.test() and "accuracy_se" in best.test()
    with pytest.raises(ct.NoResult, match="fold"):
        best.weights()
    stopped = next(trial for trial in in_turn.trials if trial.steps[-1] == 2)
    left = in_turn.load(stopped.number)
    assert "accuracy_se" not in left.test()
    with pytest.raises(ct.CotuneError, match="from 0 to 0"):
        left.model(fold=1)


def test_states_of_folds_side_by_side_need_not_say_what_was_measured() -> None:
    """As those that version 0.1.0 has left."""
    with Isolated() as isolated:
        one, other = (folds(task(ct.KFold(3)), CONFIG, {"loss": False}, isolated=isolated, seed=5) for _ in range(2))
        one.train_epoch(0)
        other.load_state_dict({"folds": one.state_dict()["folds"]})
        assert other.evaluate("test") == one.evaluate("test") and other.train_epoch(1) == one.train_epoch(1)


@pytest.mark.parametrize("executor", ["inline", ct.Fused(lanes=3)])
def test_a_race_is_replayed_to_the_last_bit(executor: object) -> None:
    one = searched(executor, trials=12)
    stopped = next(trial for trial in one.trials if trial.state is State.STOPPED)
    assert all(one.replay(number).is_same for number in (one.best.number, stopped.number))


def test_confirming_trains_all_folds_to_the_scores_that_they_have_side_by_side() -> None:
    def runs(*, race: bool) -> dict[str, list[float]]:
        one = searched(trials=4, scheduler="none", validation=ct.KFold(3, race=race))
        one.confirm(top=2, seeds=2)
        return one.settings["confirmation runs"]["scores"]

    in_turn = runs(race=True)
    assert in_turn == runs(race=False)
    assert len(in_turn) >= 4 and all(len(folds) == 3 for folds in in_turn.values())


def test_a_fold_that_diverges_fails_its_trial_alone() -> None:
    space = {**SPACE, "learning_rate": ct.Float(1e-2, 1e30, log=True)}
    fused, alone = (
        [str(trial.state) for trial in searched(executor, scheduler="none", space=space).trials]
        for executor in (ct.Fused(lanes=8), "inline")
    )
    assert set(fused) == {"done", "failed"} and fused == alone


def test_what_may_change_in_training_and_folds_in_turn_exclude_each_other() -> None:
    space = {**SPACE, "learning_rate": ct.Float(1e-3, 1.0, log=True, schedule=True)}
    with pytest.raises(ct.CotuneError, match="Leave race= out"):
        study(space=space)


@pytest.mark.parametrize("validation", [0.2, ct.KFold(3)])
def test_there_is_no_race_between_folds_that_train_side_by_side(validation: object) -> None:
    with pytest.raises(ct.CotuneError, match=r"KFold\(5, race=True\)"):
        study(scheduler="race", validation=validation)


@pytest.mark.parametrize("division", [ct.KFold, ct.TimeSeries])
def test_a_race_is_a_flag(division: type) -> None:
    with pytest.raises(ct.CotuneError, match="race=.*True or False"):
        division(3, race="yes")
    assert division(3, race=True).reshuffled().race
