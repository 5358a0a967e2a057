"""Lanes of different batch sizes: batches are cut into pieces, and the results are those of whole batches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cotune.training as ct
from cotune.training import Isolated, Run
from cotune.training.fused import Form, Kinds, Population
from cotune.training.fused.signature import signature
from cotune.training.fused.ticks import n_pieces, phases, piece_of
from training.fused.lanes import X, Y, apart, bits, curve_gap, gap, mlp, normed, runs, task, together

CUT = Form(lifts=True, is_cut=True)
CONFIGS = [
    {"batch_size": 16, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05, "label_smoothing": 0.02},
    {"batch_size": 32, "optimizer": "adam", "grad_clip": 0.5, "label_smoothing": 0.05},
    {"batch_size": 45, "optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 1e-3, "label_smoothing": 0.2},
    {"batch_size": 57, "optimizer": "adamw", "schedule": "onecycle", "label_smoothing": 0.01},
    {"batch_size": 64, "optimizer": "sgd", "learning_rate": 0.1, "label_smoothing": 0.1},
    {"batch_size": 33, "optimizer": "rmsprop", "weight_decay": 1e-2, "label_smoothing": 0.0},
]


def noisy(c):
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(c.get("dropout", 0.2)), nn.Linear(16, 10))


def form_of(t, config):
    with Isolated() as isolated:

        def build(seed, config):
            return Run(t, config, isolated=isolated, seed=seed)

        return Kinds().of(build(0, config), build, isolated.seed).form


LARGE = [{**config, "batch_size": size} for config, size in zip(CONFIGS, (65, 130, 200, 256, 300, 128), strict=True)]


@pytest.mark.parametrize("model", [mlp, noisy])
@pytest.mark.parametrize("configs", [CONFIGS, LARGE], ids=["small", "large"])
def test_lanes_of_all_batch_sizes_and_optimisers_train_as_they_do_alone(model, configs):
    x, y = (part[:400] for part in ct.data.digits())
    t = task(model, precise=True, data=(x.double(), y))
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated, precise=True) for _ in range(2))
        assert curve_gap(together(ours, range(4), CUT), apart(theirs, range(4))) <= 1e-6  # losses are summed in float32
        assert gap(ours, theirs) <= 1e-9


def test_cut_lanes_have_the_same_bits_in_any_company():
    t = task(noisy)
    with Isolated() as isolated:
        whole, pair, one = (runs(t, CONFIGS, isolated) for _ in range(3))
        together(whole, range(3), CUT)
        together(pair[1:3], range(3), CUT)
        together(one[5:], range(3), CUT)
    assert [bits(run) for run in pair[1:3]] == [bits(run) for run in whole[1:3]]
    assert bits(one[5]) == bits(whole[5])


def test_small_and_large_batches_are_kinds_of_their_own():
    with Isolated() as isolated:
        few, some, many = runs(task(mlp), [{"batch_size": size} for size in (16, 64, 65)], isolated)
        assert signature(few, CUT) == signature(some, CUT) != signature(many, CUT)


def test_batches_are_cut_where_nothing_mixes_samples_and_only_there():
    assert form_of(task(mlp), CONFIGS[0]) == CUT
    assert not form_of(task(normed), CONFIGS[0]).is_cut
    assert not form_of(task(mlp), {"optimizer": "sgd"}).is_cut  # all batches have one size


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss()], ids=repr
)
def test_losses_that_are_means_over_samples_allow_it(loss):
    t = ct.Task(model=lambda c: nn.Linear(64, 1), data=(X, (Y > 4).float()), loss=loss, epochs=2, device="cpu")
    assert form_of(t, {"batch_size": 16}) == CUT


def test_a_loss_that_is_no_mean_over_samples_does_not():
    weighted = nn.CrossEntropyLoss(weight=torch.linspace(0.5, 2.0, 10))
    t = ct.Task(model=mlp, data=(X, Y), loss=weighted, epochs=2, device="cpu")
    assert not form_of(t, {"batch_size": 16}).is_cut


class Counting(nn.Module):
    """Counts its batches in a buffer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.register_buffer("n", torch.zeros(()))

    def forward(self, x):
        self.n += 1
        return self.head(x)


def test_what_counts_its_batches_is_not_cut():
    x, y = (part[:30] for part in ct.data.digits())  # every batch is one piece, and some lanes idle
    assert not form_of(task(lambda c: Counting(), data=(x, y)), {"batch_size": 16}).is_cut


@pytest.mark.parametrize("n", [1, 31, 32, 33, 77, 100])
@pytest.mark.parametrize("size", [1, 16, 32, 33, 64, 100, 200])
def test_pieces_are_counted_without_making_them(n, size):
    whole, rest = divmod(n, size)
    batches = [size] * whole + [rest] * (rest > 0)
    assert n_pieces(n, size) == sum(-(-batch // piece_of(size)) for batch in batches)


def test_a_population_knows_how_many_ticks_its_epoch_has():
    with Isolated() as isolated:
        population = Population(runs(task(mlp), CONFIGS, isolated), CUT)
        assert population.phases[-1].until == sum(1 for _ in population.begin([0] * len(CONFIGS)))


@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [72] * 4 + [36] * 16, list(range(36, 73)), [72, 36], [9, 1, 1, 1]])
def test_the_phases_of_an_epoch_hold_every_tick_of_every_lane_and_cost_no_more_than_one(lengths):
    shared = phases(lengths)
    longest = sorted(lengths, reverse=True)
    assert shared[0].n == len(lengths)
    assert shared[-1].until == max(lengths)
    ends = [0, *(phase.until for phase in shared)]
    assert ends == sorted(set(ends))
    for begun, phase in zip(ends, shared, strict=False):
        assert all(length <= begun for length in longest[phase.n :])  # those that are left out are through
    worked = sum((phase.until - begun) * phase.n for begun, phase in zip(ends, shared, strict=False))
    assert sum(lengths) <= worked <= max(lengths) * len(lengths)


def test_lanes_that_are_through_leave_the_pass():
    sizes = [16] * 2 + [48] * 20
    with Isolated() as isolated:
        population = Population(runs(task(mlp), [{"batch_size": size} for size in sizes], isolated), CUT)
        in_pass = [len(tick.steps) for tick in population.begin([0] * len(sizes))]
    assert in_pass == [23] * 3 + [3] * 2  # 77 samples: batches of two pieces and of one, or five of one; and a copy


def test_lanes_that_train_longer_than_others_have_the_same_bits_in_any_company():
    configs = [
        {"batch_size": size, "optimizer": name, "dropout": 0.1, "grad_clip": 0.5, "schedule": "cosine"}
        for size in (16, 17, 45, 60)
        for name in ("sgd", "adam", "rmsprop")
    ]
    t = task(noisy)
    with Isolated() as isolated:
        whole = runs(t, configs * 3, isolated)
        together(whole, range(2), CUT)
        for chosen in ([0], [4, 9], [11, 3, 2], range(6, 12), range(12, 30)):
            some = runs(t, configs * 3, isolated)
            together([some[lane] for lane in chosen], range(2), CUT)
            assert [bits(some[lane]) for lane in chosen] == [bits(whole[lane]) for lane in chosen]
