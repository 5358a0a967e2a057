"""Cross-validation: the folds of a trial are lanes like any others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import cotune as ct
from cotune.executors.objective import OfTask
from cotune.standard_error import standard_error
from cotune.training import Isolated, Run, Task, folds

X = torch.randn(103, 6, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).long()
SPACE = {"learning_rate": ct.Float(1e-2, 1.0, log=True), "batch_size": [16, 32], "drop": ct.Float(0.0, 0.3)}


def task(validation: object = ct.KFold(4), **options: object) -> Task:
    def model(config: Mapping) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(config.drop), nn.Linear(8, 2))

    given = {"metrics": ["accuracy", "f1"], "epochs": 3, "test": 0.1, **options}
    return ct.Task(model=model, data=(X, Y), loss=nn.CrossEntropyLoss(), validation=validation, **given)


CONFIG = {"learning_rate": 0.1, "batch_size": 16, "drop": 0.2}


def test_a_trials_metrics_are_means_over_its_folds_with_their_standard_errors() -> None:
    with Isolated() as isolated:
        found = folds(task(), CONFIG, {"accuracy": True}, isolated=isolated, seed=5)
        for epoch in range(3):
            metrics = found.train_epoch(epoch)
        alone = []
        for fold in range(4):
            run = Run(task(), CONFIG, isolated=isolated, seed=5, fold=fold)
            alone.append([run.train_epoch(epoch) for epoch in range(3)][-1])
    for name in ("accuracy", "f1", "loss", "train_loss"):
        assert metrics[name] == pytest.approx(statistics.mean(one[name] for one in alone), abs=1e-12)
    spread = statistics.stdev(one["accuracy"] for one in alone)
    assert metrics["accuracy_se"] == pytest.approx(spread / 2, abs=1e-12)
    assert "f1_se" not in metrics
    assert len({one["loss"] for one in alone}) == 4


def test_the_first_fold_trains_as_a_run_that_knows_of_no_others() -> None:
    with Isolated() as isolated:
        assert Run(task(), CONFIG, isolated=isolated, seed=5).seed == 5
        assert Run(task(), CONFIG, isolated=isolated, seed=5, fold=1).seed != 5


def test_the_standard_error_of_one_value_is_not_known() -> None:
    assert math.isnan(standard_error([1.0]))
    assert standard_error([1.0, 3.0]) == 1.0


def searched(executor: object, trials: int = 6, path: Path | None = None, **options: object) -> ct.Study:
    study = ct.Study(task(**options), SPACE, strategy="random", executor=executor, seed=3, path=path)
    return study.optimize(trials=trials, progress=False)


def outcomes(study: ct.Study) -> list[tuple[str, dict[str, float]]]:
    return [(str(trial.state), dict(trial.metrics)) for trial in study.trials]


def test_folds_in_lanes_give_what_they_give_one_after_another() -> None:
    fused, alone = outcomes(searched(ct.Fused(lanes=12))), outcomes(searched("inline"))
    assert len(fused) == 6
    for (state, here), (_, there) in zip(fused, alone, strict=True):
        assert state == "done" and here.keys() == there.keys()
        assert all(here[name] == pytest.approx(there[name], abs=2e-4) for name in here)


def test_folds_of_a_trial_do_not_depend_on_which_trials_are_beside_it() -> None:
    assert outcomes(searched(ct.Fused(lanes=4))) == outcomes(searched(ct.Fused(lanes=24)))


def test_lanes_are_models_so_that_a_trial_of_four_folds_takes_four() -> None:
    objective = OfTask(task(), {"accuracy": True})
    assert [ct.Fused(lanes=n).trials(objective) for n in (12, 15, 3)] == [3, 3, 1]


def test_a_killed_search_over_folds_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = outcomes(searched(ct.Fused(lanes=8, checkpoint_s=0.0)))
    for trials in (2, 3, 6):
        parts = searched(ct.Fused(lanes=8, checkpoint_s=0.0), trials, tmp_path)
        result = outcomes(parts)
        parts.close()
    assert result == whole


@pytest.mark.parametrize("executor", ["inline", ct.Fused(lanes=8)])
def test_a_search_over_folds_may_stop_trials_early(executor: object) -> None:
    study = ct.Study(task(epochs=9), SPACE, strategy="random", executor=executor, scheduler="asha", seed=3)
    study.optimize(trials=9, progress=False)
    assert {str(trial.state) for trial in study.trials} <= {"done", "paused", "stopped"}
    assert len({len(trial.steps) for trial in study.trials}) > 1


def test_a_fold_that_diverges_fails_its_trial_alone() -> None:
    def ended(executor: object) -> list[str]:
        space = {**SPACE, "learning_rate": ct.Float(1e-2, 1e30, log=True)}
        study = ct.Study(task(), space, strategy="random", executor=executor, seed=3)
        return [str(trial.state) for trial in study.optimize(trials=8, progress=False).trials]

    fused = ended(ct.Fused(lanes=16))
    assert set(fused) == {"done", "failed"} and fused == ended("inline")


def test_the_winner_hands_back_the_model_of_a_fold_and_tests_all_of_them() -> None:
    best = searched(ct.Fused(lanes=12)).best
    one, other = (dict(best.model(fold=fold).named_parameters()) for fold in (0, 1))
    assert not torch.equal(one["0.weight"], other["0.weight"])
    sealed = best.test()
    assert sealed["accuracy_se"] >= 0
    with pytest.raises(ct.NoResult, match="fold"):
        best.weights()
    with pytest.raises(ct.CotuneError, match="from 0 to 3"):
        best.model(fold=4)
