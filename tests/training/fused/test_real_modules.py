from __future__ import annotations

import math

import pytest
import torch

import cotune as ct
from training.fused.real_modules import N_SAMPLES, REAL_MODULES

CONFIG = {"hidden": 16, "dropout": 0.2, "batch_size": 16}


def plain_sgd(parameters, config):
    return torch.optim.SGD(parameters, lr=0.01)  # of torch's optimisers the one that takes sparse gradients, too


def test_there_are_thirty_modules_with_distinct_names():
    assert len({module.name for module in REAL_MODULES}) == len(REAL_MODULES) == 30


@pytest.mark.parametrize("module", REAL_MODULES, ids=lambda module: module.name)
def test_every_module_trains_plainly_with_a_finite_loss(module):
    data = module.batch(torch.Generator().manual_seed(0))
    assert all(len(part) == N_SAMPLES for part in data)
    task = ct.Task(model=module.build, data=data, loss=module.loss, epochs=1, optimizer=plain_sgd, device="cpu")
    metrics = ct.fit(task, CONFIG).metrics
    assert math.isfinite(metrics["loss"])
    assert math.isfinite(metrics["train_loss"])
