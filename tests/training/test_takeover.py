"""A run that goes on from the state of another one, with hyperparameters of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cotune.training import Isolated, Run, Task

SCHEDULES = ["constant", "cosine", "linear", "onecycle"]


def task(**options: Any) -> Task:
    x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    return Task(
        model=lambda c: nn.Linear(4, 2), data=(x, (x.sum(1) > 0).long()), loss=nn.CrossEntropyLoss(),
        metrics=["accuracy"], epochs=6, validation=0.25, **options,
    )  # fmt: skip


def run(of: Task, isolated: Isolated, **config: Any) -> Run:
    return Run(of, {"batch_size": 24, "optimizer": "sgd", **config}, isolated=isolated, seed=1)


def rate(run: Run) -> float:
    return run.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_learning_rate_is_its_own_where_the_others_schedule_stands(schedule: str) -> None:
    with Isolated() as isolated:
        parent, whole = (run(task(), isolated, learning_rate=lr, schedule=schedule) for lr in (0.1, 0.02))
        for epoch in range(3):
            parent.train_epoch(epoch)
            whole.train_epoch(epoch)
        fork = run(task(), isolated, learning_rate=0.02, schedule=schedule)
        fork.load_state_dict(parent.state_dict())
        assert torch.equal(fork.model.weight, parent.model.weight)
        assert rate(fork) == pytest.approx(rate(whole), rel=1e-12)
        for epoch in range(3, 6):
            fork.train_epoch(epoch)
            whole.train_epoch(epoch)
            assert rate(fork) == pytest.approx(rate(whole), rel=1e-12, abs=1e-15)


def test_moments_are_the_others_and_all_other_hyperparameters_its_own() -> None:
    with Isolated() as isolated:
        parent = run(task(), isolated, optimizer="adam", learning_rate=0.1, beta1=0.8, weight_decay=0.1)
        parent.train_epoch(0)
        fork = run(task(), isolated, optimizer="adam", learning_rate=0.2, beta1=0.9, weight_decay=0.0)
        fork.load_state_dict(parent.state_dict())
    group = fork.optimizer.param_groups[0]
    assert (group["lr"], group["betas"][0], group["weight_decay"]) == (0.2, 0.9, 0.0)
    moments = [of.optimizer.state[of.model.weight]["exp_avg"] for of in (parent, fork)]
    assert torch.equal(*moments) and bool(moments[0].any())


def test_a_rate_of_zero_is_left_behind() -> None:
    with Isolated() as isolated:
        parent = run(task(), isolated, learning_rate=0.0)
        fork = run(task(), isolated, learning_rate=0.2)
        fork.load_state_dict(parent.state_dict())
    assert rate(fork) == 0.2


def test_schedulers_made_of_others_take_the_new_rate() -> None:
    def chain(optimizer: torch.optim.Optimizer, c: Any) -> torch.optim.lr_scheduler.LRScheduler:
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
        fall = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[2])

    with Isolated() as isolated:
        parent, whole = (run(task(schedule=chain), isolated, learning_rate=lr) for lr in (0.1, 0.3))
        parent.train_epoch(0)
        whole.train_epoch(0)
        fork = run(task(schedule=chain), isolated, learning_rate=0.3)
        fork.load_state_dict(parent.state_dict())
        for epoch in range(1, 6):
            assert rate(fork) == pytest.approx(rate(whole), rel=1e-12)
            fork.train_epoch(epoch)
            whole.train_epoch(epoch)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_that_goes_on_from_its_own_state_changes_by_no_bit(schedule: str) -> None:
    with Isolated() as isolated:
        whole = run(task(), isolated, learning_rate=0.1, schedule=schedule, momentum=0.9)
        again = run(task(), isolated, learning_rate=0.1, schedule=schedule, momentum=0.9)
        whole.train_epoch(0)
        again.load_state_dict(whole.state_dict())
        for epoch in range(1, 4):
            assert whole.train_epoch(epoch) == again.train_epoch(epoch)
    assert rate(whole) == rate(again)


SHAPES: dict[str, Any] = {
    "onecycle": lambda o, c: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=c.learning_rate, total_steps=18),
    "cyclic": lambda o, c: torch.optim.lr_scheduler.CyclicLR(
        o, c.learning_rate / 10, c.learning_rate, step_size_up=5, cycle_momentum=False
    ),
    "cosine": lambda o, c: torch.optim.lr_scheduler.CosineAnnealingLR(o, 6, eta_min=1e-3),
    "zero": lambda o, c: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: min(epoch / 4, 1.0)),
    "restarts": lambda o, c: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fork_follows_the_users_schedule_as_if_it_had_trained_alone(shape: str) -> None:
    with Isolated() as isolated:
        parent, whole = (run(task(schedule=SHAPES[shape]), isolated, learning_rate=lr) for lr in (0.1, 0.02))
        for epoch in range(3):
            parent.train_epoch(epoch)
            whole.train_epoch(epoch)
        fork = run(task(schedule=SHAPES[shape]), isolated, learning_rate=0.02)
        fork.load_state_dict(parent.state_dict())
        for epoch in range(3, 6):
            assert rate(fork) == pytest.approx(rate(whole), rel=1e-9)
            fork.train_epoch(epoch)
            whole.train_epoch(epoch)


@pytest.mark.parametrize("changed", [{"batch_size": 8}, {"data_fraction": 0.5}, {"warmup": 0.5}, {"final_share": 0.5}])
def test_a_schedule_that_counts_batches_is_at_the_same_share_of_them(changed: dict[str, Any]) -> None:
    with Isolated() as isolated:
        parent = run(task(), isolated, schedule="cosine")
        whole = run(task(), isolated, schedule="cosine", **changed)
        for epoch in range(3):
            parent.train_epoch(epoch)
            whole.train_epoch(epoch)
        fork = run(task(), isolated, schedule="cosine", **changed)
        fork.load_state_dict(parent.state_dict())
        for epoch in range(3, 6):
            assert rate(fork) == pytest.approx(rate(whole), rel=1e-9)
            fork.train_epoch(epoch)
            whole.train_epoch(epoch)


def test_a_state_of_a_version_that_kept_none_is_taken_as_it_is() -> None:
    with Isolated() as isolated:
        parent, fork = (run(task(), isolated, learning_rate=lr) for lr in (0.1, 0.2))
        state = parent.state_dict()
        del state["built"]
        fork.load_state_dict(state)
    assert rate(fork) == 0.1
