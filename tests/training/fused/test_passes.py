"""A population whose passes are recorded trains to the bits of one whose passes are all made by the models' code."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotune.training import Isolated
from cotune.training.fused import Form, Population, Unfusable
from cotune.training.fused.forward import LaneForward
from cotune.training.fused.passes import BELIEVED, Recordings
from training.fused.lanes import MODELS, X, Y, bits, mlp, normed, runs, task

CUT = Form(lifts=True, is_cut=True)
EXACT = Form(lifts=True, is_cut=False)
LANES = [
    {"optimizer": "adam", "learning_rate": 0.01, "dropout": 0.1, "weight_decay": 0.01, "grad_clip": 0.5},
    {"optimizer": "sgd", "learning_rate": 0.05, "dropout": 0.3, "momentum": 0.9, "label_smoothing": 0.1},
    {"optimizer": "rmsprop", "learning_rate": 0.002, "dropout": 0.0, "schedule": "cosine"},
]
OFTEN = 3


@pytest.fixture
def made_by_code(monkeypatch):
    """How many passes the code made, of how many lanes."""
    counts = Counter()
    run = LaneForward.run

    def counted(self, inputs):
        counts[len(inputs.batch.target)] += torch.is_grad_enabled()
        return run(self, inputs)

    monkeypatch.setattr(LaneForward, "run", counted)
    return counts


def trained(t, configs, form, recordings, epochs=range(3)):
    """The bits of each run, and its curve."""
    with Isolated() as isolated:
        members = runs(t, configs, isolated)
        population = Population(members, form, recordings=recordings)
        curves = [population.train_epoch([epoch] * len(members)) for epoch in epochs]
        population.release()
        return list(map(bits, members)), repr(curves)  # NaN is not equal to itself


def of(name, **more):
    if name == "one_output":
        more |= {"loss": lambda output, y: F.mse_loss(output.squeeze(-1), y.float()), "metrics": "loss"}
    return task(MODELS[name], **more)


def configs_of(t, sizes):
    smooth = isinstance(t.loss, nn.Module)
    return [
        {k: v for k, v in {**lane, "batch_size": size}.items() if smooth or k != "label_smoothing"}
        for lane, size in zip(LANES, sizes, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "form", "sizes", "amp"),
    [
        *((name, EXACT, (16, 16, 16), False) for name in MODELS),
        *((name, EXACT, (16, 16, 16), True) for name in MODELS if name != "gru"),
        *((name, CUT, (8, 48, 32), False) for name in ("mlp", "cnn", "gru", "one_output")),
        ("mlp", CUT, (8, 48, 32), True),
    ],
)
def test_recorded_passes_have_the_bits_of_those_that_are_made(made_by_code, name, form, sizes, amp):
    t, often = of(name, amp=amp), Recordings(often=OFTEN)
    configs = configs_of(t, sizes)
    expected = trained(t, configs, form, Recordings(often=math.inf))
    n_made = made_by_code.total()
    made_by_code.clear()
    assert trained(t, configs, form, often) == expected
    assert all(recording is not None for recording in often.made.values())
    assert len(often.made) >= 1
    assert made_by_code.total() <= len(often.seen) * (OFTEN + BELIEVED) < n_made


def test_populations_of_a_kind_share_recordings(made_by_code):
    t, recordings = task(normed), Recordings(often=OFTEN)
    first = trained(t, configs_of(t, (16,) * 3), EXACT, recordings)
    made_by_code.clear()
    assert trained(t, configs_of(t, (16,) * 3), EXACT, recordings) == first
    assert made_by_code.total() == BELIEVED * len(recordings.made)


class Whimsical(nn.Module):
    """What it computes depends on what nobody sees."""

    def __init__(self, moods):
        super().__init__()
        self.head, self.moods = nn.Linear(64, 10), moods

    def forward(self, x):
        return self.head(x) * next(self.moods)


def test_a_recording_that_gives_other_bits_is_not_used(made_by_code):
    recordings, n_passes = Recordings(often=OFTEN), 15
    t = task(lambda c: Whimsical(Moods()))
    trained(t, configs_of(t, (16,) * 3), EXACT, recordings, range(3))
    assert set(recordings.made.values()) == {None}
    assert made_by_code.total() >= n_passes


class Moods:
    """1, 2, 3, ...; a copy goes on by itself."""

    def __init__(self):
        self.n = 0

    def __next__(self):
        self.n += 1
        return float(self.n)


def test_noise_that_is_changed_in_place_is_drawn_anew_for_every_pass():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            noise = torch.randn_like(x)
            return self.head(x + noise.mul_(0.1))

    t, recordings = task(lambda c: Noisy()), Recordings(often=OFTEN)
    configs = configs_of(t, (16,) * 3)
    assert trained(t, configs, EXACT, recordings) == trained(t, configs, EXACT, Recordings(often=math.inf))
    assert None not in recordings.made.values()


def test_a_batch_with_ignored_samples_is_noticed_in_a_replay_too():
    y = Y.clone()
    t = task(mlp, data=(X, y), validation=(X[:8], Y[:8]))
    with Isolated() as isolated:
        members = runs(t, [{"batch_size": 8}, {"batch_size": 32}], isolated)
        population = Population(members, CUT, recordings=Recordings(often=1))
        population.train_epoch([0, 0])
        members[0].train.samples.target[:] = -100
        with pytest.raises(Unfusable, match="a batch of another kind"):
            population.train_epoch([1, 1])


def test_a_parameter_that_is_not_used_has_no_gradient_in_a_replay():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.idle = nn.Linear(64, 10), nn.Linear(3, 3)
            self.fixed = nn.Parameter(torch.ones(10), requires_grad=False)

        def forward(self, x):
            return self.head(x) * self.fixed

    t, recordings = task(lambda c: Idle()), Recordings(often=OFTEN)
    configs = configs_of(t, (16,) * 3)
    assert trained(t, configs, EXACT, recordings) == trained(t, configs, EXACT, Recordings(often=math.inf))
    assert None not in recordings.made.values()


def test_two_parameters_with_one_gradient_do_not_share_it():
    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10, bias=False)
            self.one, self.other = nn.Parameter(torch.zeros(10)), nn.Parameter(torch.zeros(10))

        def forward(self, x):
            return self.head(x) + (self.one + self.other)

    t, recordings = task(lambda c: Twins()), Recordings(often=OFTEN)
    configs = [{**lane, "grad_clip": 0.01, "batch_size": 16} for lane in LANES]
    with Isolated() as isolated:
        members, alone = runs(t, configs, isolated), runs(t, configs, isolated)
        population = Population(members, EXACT, recordings=recordings)
        for epoch in range(3):
            population.train_epoch([epoch] * 3)
            for run in alone:
                run.train_epoch(epoch)
        for ours, theirs in zip(members, alone, strict=True):
            for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)
            assert torch.equal(ours.model.one, ours.model.other)
    assert None not in recordings.made.values()
