from __future__ import annotations

import contextlib
import random

import numpy as np
import pytest
import torch
from torch import nn

import cotune.training as ct
from cotune.training import Isolated


def states():
    np_state = np.random.get_state(legacy=False)  # noqa: NPY002 - the generator under test
    return random.getstate(), np_state["state"]["key"].tolist(), np_state["gauss"], torch.get_rng_state().tolist()


def draw():
    return random.random(), random.gauss(0, 1), np.random.randn(), torch.rand(1).item()  # noqa: NPY002


def failing(config):
    draw()
    raise RuntimeError("the builder failed")


def test_generators_are_given_back_as_they_were():
    draw()  # an odd number of normals: NumPy and Python keep the second one for later
    before = states()
    with Isolated() as isolated:
        isolated.seed(3)
        draw()
    assert states() == before


def test_generators_are_given_back_after_an_exception():
    before = states()
    with contextlib.suppress(KeyError), Isolated() as isolated:
        isolated.seed(3)
        draw()
        raise KeyError
    assert states() == before


def test_the_same_seed_gives_the_same_numbers():
    drawn = []
    for _ in range(2):
        with Isolated() as isolated:
            isolated.seed(2**63 - 1)
            drawn.append(draw())
    assert drawn[0] == drawn[1]


def test_torch_is_seeded_as_manual_seed_does():
    with Isolated() as isolated:
        isolated.seed(11)
        ours = torch.rand(3)
        torch.manual_seed(11)
        assert torch.equal(torch.rand(3), ours)


def test_fit_leaves_the_generators_alone():
    before = states()
    task = ct.Task(
        model=lambda c: nn.Sequential(nn.Dropout(0.5), nn.Linear(64, 10)),
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        epochs=1,
        test=0.2,
    )
    ct.fit(task, {}).test()
    ct.unread(task, [{}])
    assert states() == before


def test_fit_leaves_the_generators_alone_when_the_model_raises():
    before = states()
    task = ct.Task(model=failing, data=ct.data.digits(), loss=nn.CrossEntropyLoss())
    with pytest.raises(RuntimeError, match="the builder failed"):
        ct.fit(task, {})
    assert states() == before
