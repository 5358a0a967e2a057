"""Hyperparameters epoch by epoch: what a Schedule says, and a fresh model trained by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import cotune as ct
from cotune.errors import ConfigError, TaskError

STAGES = [(0, {"learning_rate": 0.1, "batch_size": 32}), (2, {"learning_rate": 0.01, "batch_size": 32})]


def schedule(**options: Any) -> ct.Schedule:
    return ct.Schedule(STAGES, epochs=5, **options)


def task() -> ct.Task:
    x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    return ct.Task(
        model=lambda c: nn.Linear(4, 2), data=(x, (x.sum(1) > 0).long()), loss=nn.CrossEntropyLoss(),
        metrics=["loss"], epochs=5, validation=0.25,
    )  # fmt: skip


def test_each_epoch_has_the_configuration_of_its_stage() -> None:
    assert schedule().values("learning_rate") == [0.1, 0.1, 0.01, 0.01, 0.01]
    assert schedule().at(1) == STAGES[0][1] and schedule().at(99) == STAGES[1][1]
    assert schedule().changing == ["learning_rate"] and schedule().values("momentum") == [None] * 5


def test_json_comes_back_as_it_was() -> None:
    assert ct.Schedule.from_json(schedule().to_json()) == schedule()
    assert schedule() != ct.Schedule(STAGES[:1], epochs=5)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"epochs": 3, "stages": [{"from": 1, "config": {}}]}'])
def test_anything_else_is_no_stored_schedule(text: str) -> None:
    with pytest.raises(ConfigError):
        ct.Schedule.from_json(text)


@pytest.mark.parametrize("starts", [[], [1], [0, 0], [0, 3, 2], [0, 5]])
def test_stages_begin_one_after_the_other_within_the_epochs(starts: list[int]) -> None:
    with pytest.raises(ConfigError, match="ascending epochs"):
        ct.Schedule([(start, {"a": 1}) for start in starts], epochs=5)


def test_the_torch_scheduler_gives_every_group_the_values_whatever_it_was_made_with() -> None:
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD([{"params": [net.weight], "lr": 0.5}, {"params": [net.bias], "lr": 3.0}], lr=1.0)
    scheduler, rates = schedule().scheduler(optimizer), []
    for _ in range(7):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    expected = [*schedule().values("learning_rate"), 0.01, 0.01]
    assert [pair[0] for pair in rates] == pytest.approx(expected) and [pair[1] for pair in rates] == pytest.approx(
        expected
    )


def test_what_the_torch_scheduler_cannot_do_is_said() -> None:
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.0)
    with pytest.raises(ConfigError, match="above 0"):
        schedule().scheduler(optimizer)
    with pytest.raises(ConfigError, match="no number 'momentum' in every epoch"):
        schedule().scheduler(torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1), "momentum")


@pytest.mark.parametrize("extra", [{"schedule": "cosine"}, {"warmup": 0.2}])
def test_a_rate_that_also_follows_a_shape_is_left_to_fit(extra: dict[str, Any]) -> None:
    shaped = ct.Schedule([(first, {**config, **extra}) for first, config in STAGES], epochs=5)
    with pytest.raises(ConfigError, match="use ct.fit|Use ct.fit"):
        shaped.scheduler(torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1))
    assert len(ct.fit(task(), shaped).curve["loss"]) == 5


@pytest.mark.parametrize(
    ("stages", "epochs"),
    [([(0, {})], "5"), ([(0.0, {})], 5), ([(0, {})], 5.5), ([(0, 5)], 5), ({"a": 1}, 5), ([(0,)], 5)],
)
def test_what_is_no_schedule_is_said(stages: Any, epochs: Any) -> None:
    with pytest.raises(ConfigError):
        ct.Schedule(stages, epochs=epochs)


def test_a_task_of_other_length_and_stages_that_do_not_fit_are_errors() -> None:
    with pytest.raises(TaskError, match="the schedule has 5 epochs, the task trains 4"):
        ct.fit(replace(task(), epochs=4), schedule())
    mixed = ct.Schedule([(0, {"optimizer": "sgd"}), (2, {"optimizer": "adam"})], epochs=5)
    with pytest.raises(TaskError, match="stage from epoch 2 on cannot follow"):
        ct.fit(task(), mixed)


def test_a_fresh_model_is_trained_by_it_in_one_call() -> None:
    whole, constant = ct.fit(task(), schedule()), ct.fit(task(), STAGES[0][1])
    assert whole.curve["loss"][:2] == constant.curve["loss"][:2]
    assert whole.curve["loss"][2:] != constant.curve["loss"][2:]
    assert len(whole.curve["loss"]) == 5 and whole.config == STAGES[1][1]


def test_a_schedule_that_changes_nothing_trains_to_the_same_bits() -> None:
    same = ct.Schedule([(0, STAGES[0][1]), (3, STAGES[0][1])], epochs=5)
    assert ct.fit(task(), same).curve == ct.fit(task(), STAGES[0][1]).curve


def test_the_training_equals_one_with_the_torch_scheduler() -> None:
    """What is exported does what the search did: plain torch, stepped once an epoch."""
    by_hand = ct.Task(
        model=task().model, data=task().data, loss=nn.CrossEntropyLoss(), metrics=["loss"], epochs=5, validation=0.25,
        optimizer=lambda params, c: torch.optim.SGD(params, lr=1.0),
        schedule=lambda optimizer, c: sgd.scheduler(optimizer),
    )  # fmt: skip
    sgd = ct.Schedule([(first, {**config, "optimizer": "sgd"}) for first, config in STAGES], epochs=5)
    assert ct.fit(by_hand, {"batch_size": 32}).curve["loss"] == pytest.approx(
        ct.fit(task(), sgd).curve["loss"], rel=1e-5
    )
