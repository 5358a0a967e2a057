"""In double precision lanes compute what separate training computes, whatever the optimiser."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

from cotune.training import Isolated
from cotune.training.fused import Population, Unfusable
from cotune.training.fused.optimizers import kind_of
from cotune.training.fused.wide import OneByOne
from training.fused.lanes import X, apart, cnn, curve_gap, gap, mlp, normed, runs, task, together, wide

EPOCHS = range(30)  # of ten steps
LANES = [
    {"learning_rate": 0.003, "weight_decay": 0.0, "label_smoothing": 0.0, "schedule": "cosine", "warmup": 0.1},
    {"learning_rate": 0.01, "weight_decay": 0.1, "label_smoothing": 0.2, "schedule": "onecycle", "beta1": 0.8},
    {"learning_rate": 0.02, "weight_decay": 1e-3, "label_smoothing": 0.0, "grad_clip": 0.5, "beta2": 0.99},
    {"learning_rate": 0.001, "weight_decay": 1e-2, "label_smoothing": 0.05, "grad_clip": 2.0, "beta1": 0.5},
]
CONSTANT = [{name: v for name, v in lane.items() if name not in ("schedule", "warmup")} for lane in LANES]


def assert_equal(t, configs, *, within, epochs=EPOCHS):
    configs = [{"batch_size": 8, **config} for config in configs]
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated, precise=True) for _ in range(2))
        fused, plain = together(ours, epochs), apart(theirs, epochs)
    assert curve_gap(fused, plain) <= within
    assert curve_gap(fused, plain, "train_loss") <= 1e-6  # its sum is in single precision
    assert curve_gap(fused, plain, "accuracy") == 0
    assert gap(ours, theirs) <= within


def options(config, **more):
    return {"lr": config.learning_rate, "weight_decay": config.weight_decay, **more}


@pytest.mark.parametrize(
    ("config", "within"),
    [
        ({"optimizer": "sgd"}, 1e-12),
        ({"optimizer": "sgd", "momentum": 0.9}, 1e-12),
        ({"optimizer": "adam"}, 1e-12),
        ({"optimizer": "adamw"}, 1e-12),
        ({"optimizer": "rmsprop"}, 1e-9),
        ({"optimizer": "rmsprop", "momentum": 0.9}, 1e-9),  # steps are ten times as long: at full rate it is chaotic
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_three_hundred_steps_agree_with_separate_training(config, within):
    share = 0.1 if config == {"optimizer": "rmsprop", "momentum": 0.9} else 1.0
    configs = [{**lane, **config, "learning_rate": share * lane["learning_rate"]} for lane in LANES]
    assert_equal(task(precise=True), configs, within=within)


@pytest.mark.parametrize(("optimizer", "within"), [("adam", 1e-12), ("adamw", 1e-12), ("rmsprop", 1e-9)])
def test_wide_lanes_are_updated_one_by_one_and_agree(optimizer, within):
    t, configs = task(wide, precise=True), [{**lane, "optimizer": optimizer} for lane in LANES]
    assert_equal(t, configs, within=within, epochs=range(10))
    with Isolated() as isolated:
        (updated,) = Population(runs(t, configs, isolated, precise=True))._optimizers
        assert isinstance(updated._updates, OneByOne)


@pytest.mark.parametrize("kind", [Adam, AdamW, RMSprop], ids=lambda kind: kind.__name__)
def test_wide_lanes_have_groups_and_layers_that_are_left_out(kind):
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.idle = wide(None), nn.Linear(64, 3)

        def forward(self, x):
            return self.body(x)

    def grouped(parameters, config):
        first, *others = parameters
        return kind([{"params": others, "lr": 0.1 * config.learning_rate}, {"params": [first], **options(config)}])

    t = task(lambda config: Skipping(), precise=True, optimizer=grouped)
    assert_equal(t, LANES, within=1e-9 if kind is RMSprop else 1e-12, epochs=range(5))


def test_an_rmsprop_that_never_forgets_is_refused():
    with pytest.raises(Unfusable, match="alpha is not below 1"):
        kind_of(RMSprop(mlp(None).parameters(), alpha=1.0))


def test_three_hundred_steps_of_nesterov_momentum_agree():
    def nesterov(parameters, config):
        return SGD(parameters, **options(config, momentum=0.9 * (1 - config.weight_decay), nesterov=True))

    assert_equal(task(precise=True, optimizer=nesterov), LANES, within=1e-12)


def test_dampened_momentum_agrees():
    def dampened(parameters, config):
        return SGD(parameters, **options(config, momentum=0.9, dampening=0.5 * config.weight_decay + 0.1))

    assert_equal(task(precise=True, optimizer=dampened), LANES, within=1e-12, epochs=range(5))


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop], ids=lambda kind: kind.__name__)
def test_parameter_groups_with_options_of_their_own_agree(kind):
    def grouped(parameters, config):
        weights, biases = [], []
        for parameter in parameters:
            (weights if parameter.dim() > 1 else biases).append(parameter)
        return kind([{"params": biases, "lr": 0.1 * config.learning_rate}, {"params": weights, **options(config)}])

    assert_equal(
        task(precise=True, optimizer=grouped), LANES, within=1e-9 if kind is RMSprop else 1e-12, epochs=range(5)
    )


def test_the_epsilon_and_decay_of_each_lane_count():
    def own(parameters, config):
        return RMSprop(parameters, **options(config, eps=config.weight_decay + 1e-8, alpha=1 - config.learning_rate))

    for model in (mlp, wide):
        assert_equal(task(model, precise=True, optimizer=own), LANES, within=1e-9, epochs=range(5))


def test_four_optimisers_train_in_one_population():
    names = ("rmsprop", "adam", "sgd", "adamw")
    configs = [{**lane, "optimizer": name} for lane, name in zip(LANES, names, strict=True)]
    assert_equal(task(precise=True), configs, within=1e-9, epochs=range(5))


def test_the_users_scheduler_steps_by_epoch():
    def schedule(optimizer, config):
        return lr_scheduler.StepLR(optimizer, step_size=2, gamma=1 - config.weight_decay)

    assert_equal(task(precise=True, schedule=schedule), CONSTANT, within=1e-12, epochs=range(5))


def test_the_users_one_cycle_moves_the_betas_by_batch():
    def schedule(optimizer, config):
        return lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=50)

    assert_equal(task(precise=True, schedule=schedule), CONSTANT, within=1e-12, epochs=range(5))


def test_a_plateau_is_judged_lane_by_lane():
    def schedule(optimizer, config):
        return lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=1)

    assert_equal(task(precise=True, schedule=schedule), CONSTANT, within=1e-12, epochs=range(5))


@pytest.mark.parametrize("model", [cnn, normed], ids=["cnn", "batch norm"])
def test_thirty_steps_of_other_layers_agree(model):
    configs = [{**lane, "optimizer": "sgd", "momentum": 0.5} for lane in LANES]
    assert_equal(task(model, precise=True), configs, within=1e-11, epochs=range(6))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_lanes_whose_weights_lie_otherwise_in_memory_are_trained_too(optimizer):
    """A kind that was proven with contiguous weights takes them in."""
    t = task(lambda c: cnn(c).to(memory_format=torch.channels_last), precise=True)
    assert_equal(t, [{**lane, "optimizer": optimizer} for lane in LANES], within=1e-11, epochs=range(3))


def test_frozen_parameters_stay_as_they_were():
    def half_frozen(config):
        model = mlp(config)
        model[0].requires_grad_(False)
        return model

    t = task(half_frozen, precise=True)
    assert_equal(t, [{**lane, "optimizer": "adam"} for lane in LANES], within=1e-12, epochs=range(6))
    with Isolated() as isolated:
        trained, fresh = runs(t, LANES, isolated, precise=True), runs(t, LANES, isolated, precise=True)
        together(trained, range(2))
    assert all(
        torch.equal(a.model[0].weight, b.model[0].weight) and not torch.equal(a.model[2].weight, b.model[2].weight)
        for a, b in zip(trained, fresh, strict=True)
    )


def test_a_loss_that_sums_over_the_batch_agrees():
    t = task(precise=True, loss=nn.CrossEntropyLoss(reduction="sum"))
    configs = [{"learning_rate": 0.1 * lane["learning_rate"], "optimizer": "sgd"} for lane in LANES]
    assert_equal(t, configs, within=1e-10, epochs=range(6))


def test_a_weighted_loss_of_many_validation_samples_is_that_of_a_single_run():
    x, y = X[:64].double().repeat(20, 1), torch.arange(1280).sqrt().long() % 10  # not alike in every part
    t = task(precise=True, data=(x, y), validation=0.9, loss=nn.CrossEntropyLoss(torch.linspace(0.1, 3.0, 10).double()))
    assert_equal(t, [{"optimizer": "sgd", "learning_rate": 0.1}] * 3, within=1e-12, epochs=range(2))
