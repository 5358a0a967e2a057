from __future__ import annotations

import math

import pytest
import torch

import cotune as ct
from cotune.training import Isolated, Run
from cotune.training.fused import Kinds, Population, Unfusable
from training.fused.real_modules import N_SAMPLES, REAL_MODULES

CONFIG = {"hidden": 16, "dropout": 0.2, "batch_size": 16}
FUSED = [module for module in REAL_MODULES if module.fuses]
REFUSED = [module for module in REAL_MODULES if not module.fuses]


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


def kind(module, config, isolated, optimizer=None):
    data = module.batch(torch.Generator().manual_seed(0))
    task = ct.Task(model=module.build, data=data, loss=module.loss, epochs=2, optimizer=optimizer, device="cpu")

    def build(seed, config):
        return Run(task, config, isolated=isolated, seed=seed)

    return Kinds().of(build(0, config), build, isolated.seed)


@pytest.mark.parametrize("module", FUSED, ids=lambda module: module.name)
def test_every_module_that_fuses_is_accepted(module):
    with Isolated() as isolated:
        for name in ("sgd", "adam"):
            kind(module, {**CONFIG, "optimizer": name}, isolated)


@pytest.mark.parametrize("module", REFUSED, ids=lambda module: module.name)
def test_every_module_that_does_not_fuse_is_refused_with_its_line(module):
    with Isolated() as isolated, pytest.raises(Unfusable, match=r"line \d+ of"):
        kind(module, CONFIG, isolated, plain_sgd if module.name == "sparse_embedding" else None)


@pytest.mark.parametrize("module", FUSED, ids=lambda module: module.name)
def test_an_epoch_of_three_lanes_is_that_of_three_runs(module):
    with Isolated() as isolated:
        form = kind(module, {**CONFIG, "optimizer": "sgd"}, isolated).form
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with Isolated() as isolated:
            data = tuple(
                part.double() if part.is_floating_point() else part
                for part in module.batch(torch.Generator().manual_seed(0))
            )
            loss = module.loss.double() if isinstance(module.loss, torch.nn.Module) else module.loss
            task = ct.Task(model=module.build, data=data, loss=loss, epochs=2, device="cpu")
            configs = [
                {**CONFIG, "dropout": rate, "optimizer": "sgd", "learning_rate": 0.1 * rate} for rate in (0.1, 0.2, 0.4)
            ]
            if not form.lifts:
                configs = [{**config, "dropout": 0.2} for config in configs]
            ours, theirs = (
                [precise(Run(task, config, isolated=isolated, seed=i)) for i, config in enumerate(configs)]
                for _ in range(2)
            )
            population = Population(ours, form)
            fused = population.train_epoch([0, 0, 0])
            population.release()
            plain = [run.train_epoch(0) for run in theirs]
    finally:
        torch.set_default_dtype(before)
    for mine, their in zip(fused, plain, strict=True):
        assert mine == {
            name: pytest.approx(value, rel=1e-6 if name == "train_loss" else 1e-9) for name, value in their.items()
        }
    for mine, their in zip(ours, theirs, strict=True):
        for name, value in their.model.state_dict().items():
            assert torch.allclose(mine.model.state_dict()[name], value, rtol=1e-9, atol=1e-11), name


def precise(run):
    for parameter in run.model.parameters():
        if parameter.is_complex():
            parameter.data = parameter.data.to(torch.complex128)
    return run
