"""Population based training in whole searches: tasks, fused lanes, functions of a trial, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import cotune as ct
from cotune.errors import SpaceError, StudyError, TaskError
from cotune.records import State

pytestmark = pytest.mark.usefixtures("one_thread")


def task(**options: Any) -> ct.Task:
    x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    chosen = {"model": lambda c: nn.Linear(4, 2), "validation": 0.25, **options}
    return ct.Task(
        data=(x, (x.sum(1) > 0).long()), loss=nn.CrossEntropyLoss(), metrics=["loss", "accuracy"], epochs=6, **chosen
    )


def space(**more: Any) -> ct.Space:
    return ct.Space(learning_rate=ct.Float(1e-4, 1.0, log=True, schedule=True), optimizer=["sgd", "adam"], **more)


def searched(path: Path | None = None, executor: Any = "inline", **options: Any) -> ct.Study:
    chosen = {"scheduler": ct.PBT(6, every=2), "strategy": "sobol", "minimize": "loss", **options}
    study = ct.Study(task(), space(), path=path, executor=executor, seed=3, **chosen)
    return study.optimize(trials=6, progress=False)


def facts(study: ct.Study) -> list[Any]:
    return [(t.config, t.parent, t.state, t.metrics, t.steps, t.curve) for t in study.trials]


def test_forks_go_on_from_their_parents_weights_and_are_counted_as_no_trials_of_the_budget() -> None:
    study = searched()
    history = study.history
    assert history.n_proposed == 6 and history.forks and history.steps_paid == 6 * 6
    for number in history.forks:
        parent, step = history.parent(number)
        assert study.trials[number].steps[0] == step + 1
        assert step in study.trials[parent].steps


def test_fused_lanes_give_the_same_lineage_and_the_same_losses() -> None:
    alone, together = searched(), searched(executor=ct.Fused(lanes=6))
    assert [t.parent for t in alone.trials] == [t.parent for t in together.trials]
    assert [t.config for t in alone.trials] == [t.config for t in together.trials]
    assert alone.best.value == pytest.approx(together.best.value, rel=1e-5)


def test_lanes_that_stay_in_memory_train_like_those_that_are_read_from_their_files(tmp_path: Path) -> None:
    whole = searched(executor=ct.Fused(lanes=6))
    pieces = [6 * 2, 6 * 4, 6 * 6]
    for total_epochs in pieces:
        study = ct.Study(
            task(), space(), path=tmp_path, executor=ct.Fused(lanes=6), scheduler=ct.PBT(6, every=2), strategy="sobol",
            minimize="loss", seed=3,
        )  # fmt: skip
        study.optimize(trials=6, total_epochs=total_epochs, progress=False)
    assert facts(study) == facts(whole)


def test_the_winners_schedule_is_the_lineage_and_trains_a_fresh_model(tmp_path: Path) -> None:
    study = searched(tmp_path)
    forked = [number for number in study.history.forks if study.trials[number].state is State.DONE]
    best = study.load(forked[-1])
    schedule, lineage = best.schedule, study.history.lineage(forked[-1])
    assert schedule.epochs == 6 and schedule.stages[-1][1] == best.config
    assert [first for first, _ in schedule.stages] == [step for _, step in lineage]
    assert ct.fit(task(), schedule).curve.keys() == {"loss", "accuracy", "train_loss"}
    assert best.model()(torch.zeros(1, 4)).shape == (1, 2)


def test_a_study_folder_holds_the_winners_schedule(tmp_path: Path) -> None:
    study = searched(tmp_path)
    file = tmp_path / "schedule.json"
    assert file.exists() == bool(study.best.schedule.changing)
    if file.exists():
        assert ct.Schedule.from_json(file.read_text()) == study.best.schedule


def test_auto_takes_a_population_where_parameters_are_marked() -> None:
    study = searched(scheduler="auto", strategy="auto")
    assert study.settings["scheduler"] == {"name": "pbt", "why": "learning_rate may change while trials train"}
    assert study.settings["strategy"]["name"] == "sobol"


def test_a_parent_whose_state_is_gone_fails_its_forks_and_they_are_replaced(tmp_path: Path) -> None:
    study = ct.Study(
        task(), space(), path=tmp_path, executor="inline", scheduler=ct.PBT(6, every=2), strategy="sobol",
        minimize="loss", seed=3,
    )  # fmt: skip
    study.optimize(trials=6, total_epochs=12, progress=False)
    best = study.best.number
    for file in (tmp_path / "checkpoints").glob(f"{best:06d}-*"):
        file.unlink()
    study.optimize(trials=6, progress=False)
    failed = [trial for trial in study.trials if trial.state is State.FAILED]
    assert failed and {trial.failure.cause for trial in failed} == {"no state"}
    assert all(trial.parent == (best, 2) for trial in failed)
    assert sum(trial.state is State.DONE for trial in study.trials) == 6


def loop(trial: Any) -> None:
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=trial.config.learning_rate, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    trial.track(model=net, optimizer=optimizer, scheduler=scheduler)
    for epoch in trial.epochs():
        x = torch.randn(32, 4)
        rate = optimizer.param_groups[0]["lr"]
        assert rate == pytest.approx(trial.config.learning_rate * 0.9**epoch, rel=1e-9)
        loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        trial.report(loss=loss.item(), rate=rate)


def test_a_users_own_loop_keeps_its_own_learning_rate_on_its_parents_weights() -> None:
    marked = {"learning_rate": ct.Float(1e-4, 0.1, log=True, schedule=True)}
    study = ct.Study(loop, marked, minimize="loss", epochs=9, scheduler=ct.PBT(6), strategy="sobol")
    study.optimize(trials=6, progress=False)
    assert study.history.forks and all(trial.state is not State.FAILED for trial in study.trials)
    assert set(study.best.state()) == {"model", "optimizer", "scheduler"}


def test_a_function_that_keeps_no_state_is_told_to_track_it() -> None:
    def train(trial: Any) -> None:
        for _ in trial.epochs():
            trial.report(loss=trial.config.x)

    study = ct.Study(train, {"x": ct.Float(0.0, 1.0, schedule=True)}, minimize="loss", epochs=4, scheduler=ct.PBT(4))
    with pytest.raises(StudyError, match=r"trial.track\(model=net"):
        study.optimize(trials=4, progress=False)


RESHUFFLED = ct.Holdout(0.25, reshuffle=True)


def hidden(config: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(4, config.hidden), nn.Linear(config.hidden, 2))


@pytest.mark.parametrize(
    ("marked", "options", "said"),
    [
        ({"hidden": ct.Int(2, 8, schedule=True)}, {"model": hidden}, "with hidden=4 cannot go on from one with 2"),
        ({"optimizer": ct.Categorical(["sgd", "adam"], schedule=True)}, {}, "one optimiser is Adam, the other is SGD"),
        ({"learning_rate": ct.Float(0.1, 1.0, schedule=True)}, {"validation": RESHUFFLED}, "reshuffle"),
        ({"schedule": ct.Categorical(["constant", "linear"], schedule=True)}, {}, "LambdaLR, the other is none"),
        ({"epochs": ct.Int(2, 6, schedule=True)}, {}, "how long a trial trains cannot change"),
    ],
)  # fmt: skip
def test_what_cannot_change_in_training_is_an_error_before_the_first_trial(
    marked: Any, options: Any, said: str
) -> None:
    with pytest.raises(TaskError, match=said):
        ct.Study(task(**options), ct.Space(**marked), minimize="loss")


def test_configurations_that_are_enqueued_take_places_and_later_ones_wait_for_the_next_population() -> None:
    study = ct.Study(
        task(), space(), minimize="loss", scheduler=ct.PBT(4, every=2), strategy="sobol", executor="inline"
    )
    for rate in (0.1, 0.2, 0.3, 0.05, 0.01, 0.02):
        study.enqueue({"learning_rate": rate, "optimizer": "sgd"})
    study.optimize(trials=8, progress=False)
    assert study.history.n_proposed == 8 and study.history.steps_paid == 8 * 6
    assert not study.history.paused and not study.history.waiting


def test_one_that_is_enqueued_while_a_population_trains_does_not_disturb_it() -> None:
    study = ct.Study(
        task(), space(), minimize="loss", scheduler=ct.PBT(4, every=2), strategy="sobol", executor="inline"
    )
    study.optimize(trials=4, total_epochs=10, progress=False)
    study.enqueue({"learning_rate": 0.1, "optimizer": "sgd"})
    study.optimize(trials=5, progress=False)
    assert study.history.steps_paid == 5 * 6 and not study.history.paused and not study.history.waiting


def test_members_that_fail_alike_do_not_end_a_search_that_has_healthy_ones() -> None:
    def fragile(trial: Any) -> None:
        net = nn.Linear(1, 1)
        trial.track(model=net)
        for epoch in trial.epochs():
            if epoch >= 2 and trial.number in (1, 2, 3):
                raise RuntimeError("the same each time")
            trial.report(loss=float(trial.number) + trial.config.learning_rate)

    marked = {"learning_rate": ct.Float(1e-4, 0.1, log=True, schedule=True)}
    study = ct.Study(fragile, marked, minimize="loss", epochs=6, scheduler=ct.PBT(6, every=2), strategy="sobol")
    study.optimize(trials=6, progress=False)
    assert study.history.count(State.FAILED) == 3 and study.history.count(State.DONE) == 6


def test_a_schedule_of_an_earlier_best_does_not_stay(tmp_path: Path) -> None:
    searched(tmp_path)
    (tmp_path / "schedule.json").write_text("{}")
    study = searched(tmp_path)
    assert (tmp_path / "schedule.json").exists() == bool(study.best.schedule.changing)


@pytest.mark.parametrize("scheduler", ["pbt", "auto"])
def test_trials_asked_by_hand_cannot_be_copied(scheduler: str) -> None:
    study = ct.Study(None, space(), minimize="loss", epochs=6, scheduler=scheduler)
    with pytest.raises(StudyError, match="those that are asked by hand leave none"):
        study.ask()


def test_an_interval_as_long_as_a_trial_is_an_error() -> None:
    with pytest.raises(StudyError, match="compared every 6 epochs, and its trials have 6"):
        searched(scheduler=ct.PBT(6, every=6))


@pytest.mark.parametrize("kind", ["onecycle", "cyclic", "cosine", "zero"])
def test_a_fork_of_a_function_follows_its_own_schedule(kind: str) -> None:
    """Whatever the scheduler keeps of its parent's rate: each epoch has the rate of one that trained alone."""
    lr = torch.optim.lr_scheduler

    def made(optimizer: torch.optim.Optimizer, rate: float) -> Any:
        return {
            "onecycle": lambda: lr.OneCycleLR(optimizer, max_lr=rate, total_steps=9),
            "cyclic": lambda: lr.CyclicLR(optimizer, rate / 10, rate, step_size_up=3, cycle_momentum=False),
            "cosine": lambda: lr.CosineAnnealingLR(optimizer, 9, eta_min=1e-4),
            "zero": lambda: lr.LambdaLR(optimizer, lambda epoch: min(epoch / 4, 1.0)),
        }[kind]()

    def begun(rate: float) -> tuple[Any, Any, Any]:
        net = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=rate)
        return net, optimizer, made(optimizer, rate)

    def alone(rate: float) -> list[float]:
        _, optimizer, scheduler = begun(rate)
        rates = []
        for _ in range(9):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates

    def train(trial: Any) -> None:
        net, optimizer, scheduler = begun(trial.config.rate)
        trial.track(model=net, optimizer=optimizer, scheduler=scheduler)
        for epoch in trial.epochs():
            used, own = optimizer.param_groups[0]["lr"], alone(trial.config.rate)[epoch]
            optimizer.step()
            scheduler.step()
            trial.report(loss=float(trial.number % 7), off=abs(used - own) / max(own, 1e-9))

    study = ct.Study(
        train, {"rate": ct.Float(1e-3, 0.1, log=True, schedule=True)}, minimize="loss", epochs=9, scheduler=ct.PBT(8),
        strategy="sobol",
    ).optimize(trials=8, progress=False)  # fmt: skip
    assert study.history.forks and study.history.count(State.FAILED) == 0
    assert max(max(trial.curve["off"]) for trial in study.trials if trial.curve) < 1e-9


def test_a_parameter_that_others_depend_on_cannot_be_marked() -> None:
    with pytest.raises(SpaceError, match="whether momentum is active depends on it"):
        ct.Space(
            optimizer=ct.Categorical(["sgd", "adam"], schedule=True),
            momentum=ct.Float(0.0, 0.9, when={"optimizer": "sgd"}),
        )


def test_the_mark_is_stored_and_part_of_what_a_study_is(tmp_path: Path) -> None:
    marked = space().to_json()
    assert ct.Space.from_json(json.loads(json.dumps(marked))).scheduled == ("learning_rate",)
    searched(tmp_path)
    plain = ct.Space(learning_rate=ct.Float(1e-4, 1.0, log=True), optimizer=["sgd", "adam"])
    with pytest.raises(StudyError, match="schedule"):
        ct.Study(task(), plain, path=tmp_path, minimize="loss", seed=3)
