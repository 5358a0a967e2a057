"""A trial trained again is the same to the last bit, and what is not is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import cotune as ct
from cotune.errors import NoResult, StudyError
from cotune.records import State
from study import programs

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("kind", ["task", "loop", "fused", "asha", "pbt"])
def test_every_trial_comes_out_the_same_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    study = programs.STUDIES[kind]("random", str(tmp_path)).optimize(trials=6, progress=False)
    before = study.history.position
    for trial in study.trials:
        found = study.replay(trial.number)
        assert found.is_same and found.steps == len(trial.steps) > 0 and found.machine == {}
    assert study.history.position == before
    if kind == "pbt":
        assert any(trial.parent for trial in study.trials)


def test_a_trial_that_trained_in_a_process_of_its_own() -> None:
    study = programs.task_study("random", None, scheduler="none", workers=1).optimize(trials=1, progress=False)
    assert study.replay(0).is_same


def test_what_came_out_otherwise_is_told_with_its_first_step() -> None:
    drift = [0.0]

    def train(trial: object) -> float:
        for epoch in trial.epochs():
            trial.report(loss=trial.config.x + epoch + (drift[0] if epoch >= 1 else 0.0), other=1.0)
        return {"last": trial.config.x + drift[0]}

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", epochs=3, strategy="random", scheduler="none")
    study.optimize(trials=1, progress=False)
    assert study.replay(0).is_same
    drift[0] = 0.5
    loss, last = study.replay(0).deviations
    assert (loss.metric, loss.step, loss.replayed) == ("loss", 2, loss.recorded + 0.5)
    assert (last.metric, last.step, last.replayed) == ("last", 3, last.recorded + 0.5)


def test_a_failure_is_replayed_as_far_as_it_came() -> None:
    is_mended = [False]

    def train(trial: object) -> float:
        for epoch in trial.epochs():
            trial.report(loss=trial.config.x + epoch)
            if epoch == 1 and not is_mended[0]:
                raise ValueError("no")

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", epochs=3, strategy="random", scheduler="none")
    study.optimize(trials=1, progress=False)
    assert study.trials[0].state is State.FAILED and study.replay(0).is_same


def test_shares_are_replayed_milestone_by_milestone() -> None:
    def train(trial: object) -> None:
        for share in trial.shares():
            trial.report(loss=trial.config.x + 1 / share + float(torch.rand(())))

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", epochs=9, strategy="random", scheduler="asha")
    study.optimize(trials=6, progress=False)
    assert all(study.replay(trial.number).is_same for trial in study.trials)
    assert any(len(trial.steps) > 1 for trial in study.trials)


def test_a_trial_that_ends_its_process_this_time_and_one_that_is_interrupted() -> None:
    study = ct.Study(
        lambda trial: os._exit(1) if os.environ.get("BROKEN") else trial.config.x, {"x": (0.0, 1.0)},
        minimize="loss", strategy="random", executor=ct.Processes(workers=4),
    )  # fmt: skip
    study.optimize(trials=1, progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKEN", "1")
        with pytest.raises(StudyError, match=r"fails this time \(crash\)"):
            study.replay(0)
    is_interrupted = [False]

    def train(trial: object) -> float:
        if is_interrupted[0]:
            raise KeyboardInterrupt
        return trial.config.x

    inline = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", strategy="random")
    inline.optimize(trials=1, progress=False)
    is_interrupted[0] = True
    with pytest.raises(ct.Interrupted):
        inline.replay(0)


def test_what_cannot_be_replayed_says_why() -> None:
    told = ct.Study(None, {"x": (0.0, 1.0)}, minimize="loss", strategy="random")
    told.tell(told.ask(), 1.0)
    with pytest.raises(StudyError, match="told by hand"):
        told.replay(0)
    is_broken = [False]

    def train(trial: object) -> float:
        if is_broken[0]:
            raise ValueError("a new mistake")
        return trial.config.x

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", strategy="random")
    study.enqueue({"x": 0.5})
    with pytest.raises(NoResult, match="trial 0 has nothing to compare with"):
        study.replay(0)
    with pytest.raises(StudyError, match="replay"):
        study.replay("0")
    study.optimize(trials=1, progress=False)
    is_broken[0] = True
    with pytest.raises(StudyError, match=r"fails this time \(error\): ValueError: a new mistake"):
        study.replay(0)


def test_a_machine_that_has_changed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = ct.Study(lambda trial: trial.config.x, {"x": (0.0, 1.0)}, minimize="loss", strategy="random")
    study.optimize(trials=1, progress=False)
    now = torch.__version__
    monkeypatch.setattr(torch, "__version__", "9.9")
    assert study.replay(0).machine == {"torch": (now, "9.9")}
    study.optimize(trials=2)
    assert f"the machine has changed (torch {now} then, 9.9 now)" in capsys.readouterr().err
