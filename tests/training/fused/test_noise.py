"""Lanes draw the noise that their runs draw alone, and leave the global generators as they are."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cotune.training import Isolated
from cotune.training.fused import Population
from training.fused.lanes import Attending, Rows, apart, curve_gap, gap, runs, task, together


class Noisy(nn.Module):
    """Draws in the four ways that there are."""

    def __init__(self, scale):
        super().__init__()
        self.scale, self.body, self.head = scale, nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        h = torch.tanh(self.body(x))
        h = h + self.scale * torch.randn_like(h) + torch.rand(16) + torch.randn(len(x), 1)
        return self.head(h + torch.rand_like(h))


def channels(dropout, *before):
    return nn.Sequential(*before, dropout, nn.Flatten(), nn.LazyLinear(10))


def initialised(model):
    model(torch.zeros(2, 64))
    return model


MODELS = {
    "dropout": lambda c: nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(16, 10)),
    "dropout in place": lambda c: nn.Sequential(nn.Linear(64, 16), nn.Dropout(c.dropout, True), nn.Linear(16, 10)),
    "dropout1d": lambda c: initialised(channels(nn.Dropout1d(c.dropout), nn.Unflatten(1, (4, 16)), nn.Conv1d(4, 6, 3))),
    "dropout2d": lambda c: initialised(
        channels(nn.Dropout2d(c.dropout), nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3))
    ),
    "dropout after a transposition": lambda c: nn.Sequential(
        nn.Unflatten(1, (8, 8)), nn.Linear(8, 6), Transposed(), nn.Dropout(c.dropout), nn.Flatten(), nn.Linear(48, 10)
    ),
    "alpha dropout": lambda c: nn.Sequential(
        nn.Linear(64, 16), nn.SELU(), nn.AlphaDropout(c.dropout), nn.Linear(16, 10)
    ),
    "GRU": lambda c: Rows(8, dropout=c.dropout),
    "transformer": lambda c: Attending(c.dropout),
    "noise": lambda c: Noisy(c.dropout),
}


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rates", [(0.1, 0.5, 0.3), (0.2, 0.2, 0.2)], ids=["own rates", "one rate"])
def test_a_lane_draws_what_its_run_draws_alone(name, rates):
    t = task(MODELS[name], precise=True)
    configs = [{"optimizer": "sgd", "learning_rate": 0.05, "dropout": rate} for rate in rates]
    with Isolated() as isolated:
        torch.set_default_dtype(torch.float64)
        try:
            ours, theirs = runs(t, configs, isolated), runs(t, configs, isolated)
            fused, plain = together(ours, range(3)), apart(theirs, range(3))
        finally:
            torch.set_default_dtype(torch.float32)
    assert curve_gap(fused, plain) <= 1e-12
    assert gap(ours, theirs) <= 1e-12


def test_in_single_precision_the_masks_are_the_same_too():
    t = task(MODELS["dropout"])
    configs = [{"optimizer": "sgd", "learning_rate": 0.05, "dropout": rate} for rate in (0.1, 0.5, 0.7)]
    with Isolated() as isolated:
        ours, theirs = runs(t, configs, isolated), runs(t, configs, isolated)
        assert curve_gap(together(ours, range(3)), apart(theirs, range(3))) <= 1e-5


def test_lanes_of_one_configuration_and_other_seeds_draw_other_masks():
    t = task(MODELS["dropout"])
    with Isolated() as isolated:
        first, second = runs(t, [{"dropout": 0.5}] * 2, isolated)
        second.model.load_state_dict(first.model.state_dict())
        population = Population([first, second])
        tick = next(population.begin([0, 0]))
        batch = tick.batch._replace(
            inputs=tuple(x[:1].expand_as(x) for x in tick.batch.inputs),
            target=tick.batch.target[:1].expand_as(tick.batch.target),
        )
        same = replace(tick, batch=batch)
        losses = population.gradients(same)
    assert losses[0] != losses[1]


def states():
    return random.getstate(), repr(np.random.get_state(legacy=False)), torch.default_generator.get_state().tolist()  # noqa: NPY002


@pytest.mark.parametrize("name", MODELS)
def test_training_neither_seeds_nor_draws_from_the_global_generators(name):
    outside = states()
    with Isolated() as isolated:
        population = Population(runs(task(MODELS[name]), [{"dropout": 0.3}, {"dropout": 0.5}], isolated))
        inside = states()
        population.train_epoch([0, 0])
        assert states() == inside
        population.release()
    assert states() == outside
