"""Networks of different width as lanes of one pass: filled up with zeros, with the results that they have alone."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cotune.training as ct
from cotune.training import Isolated, Run
from cotune.training.checkpoint import decode
from cotune.training.fused import Census, Kinds, Population
from cotune.training.fused.rows import Numbers
from training.fused.lanes import apart, bits, curve_gap, gap, runs, task

HIDDEN = (3, 17, 64, 65, 100, 256)
OPTIMIZERS = (
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-3},
    {"optimizer": "adam", "weight_decay": 1e-2},
    {"optimizer": "adamw", "learning_rate": 0.01},
    {"optimizer": "rmsprop", "weight_decay": 1e-3, "grad_clip": 0.5},
)
CONFIGS = [
    {
        "hidden": hidden,
        "batch_size": 16 + 3 * at,
        "dropout": 0.051 + 0.04 * at,
        "schedule": "cosine",
        **OPTIMIZERS[at % 4],
    }
    for at, hidden in enumerate((*HIDDEN, *HIDDEN[::-1]))
]


def perceptron(activation):
    return lambda c: nn.Sequential(nn.Linear(64, c.hidden), activation(), nn.Linear(c.hidden, 10))


def dropping(c):
    return nn.Sequential(nn.Linear(64, c.hidden), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.hidden, 10))


def deep(c):
    """Two widths, one of which follows from the other; a head that is tied to a part of the body."""
    h = c.hidden
    return nn.Sequential(
        nn.Linear(64, 2 * h), nn.Tanh(), nn.Linear(2 * h, h, bias=False), nn.PReLU(), nn.Linear(h, h), nn.GELU(),
        nn.Linear(h, 10),
    )  # fmt: skip


def two_widths(c):
    """One of them grows while the other shrinks; for 90 both are the same."""
    a, b = c.hidden, 180 - c.hidden if c.hidden < 180 else 32
    return nn.Sequential(
        nn.Linear(64, a), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(a, b), nn.Tanh(), nn.Dropout(c.dropout),
        nn.Linear(b, 10),
    )  # fmt: skip


class Residual(nn.Module):
    """Adds and multiplies what is filled up, by hand; its head is a product with a parameter."""

    def __init__(self, hidden):
        super().__init__()
        self.first, self.inner, self.norm = nn.Linear(64, hidden), nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden)
        self.scale, self.head = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.randn(hidden, 10) / hidden**0.5)

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = h + self.scale * F.gelu(self.inner(h)) * h / 2
        return self.norm(h.view(h.size(0), -1)) @ self.head


def normed(c):
    h = c.hidden
    return nn.Sequential(nn.Linear(64, h), nn.BatchNorm1d(h), nn.SiLU(), nn.Linear(h, 10))


def convolved(c):
    n = max(c.hidden // 8, 1)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, n, 3, padding=1), nn.BatchNorm2d(n), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(n, n, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * n, 10),
    )  # fmt: skip


class Reading(nn.Module):
    """Has an attribute that tells its width."""

    def __init__(self, hidden, use):
        super().__init__()
        self.hidden, self.use = hidden, use
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden, 10)

    def forward(self, x):
        return self.second(self.use(self, F.relu(self.first(x))))


class Shifted(nn.Module):
    """Does something by a learned number that is zero at first."""

    def __init__(self, hidden, use):
        super().__init__()
        self.use, self.own = use, nn.Parameter(torch.zeros(()))
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden, 10)

    def forward(self, x):
        return self.second(self.use(self, self.first(x)))


class Concatenated(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden + 64, 10)

    def forward(self, x):
        return self.second(torch.cat([self.first(x), x], 1))


class Penalised(nn.Module):
    """The mean of its weights goes into what it gives."""

    def __init__(self, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden, 10)

    def forward(self, x):
        return self.second(F.relu(self.first(x))) * (1 + self.first.weight.abs().mean())


FILLED_UP = {
    "relu": perceptron(nn.ReLU), "tanh": perceptron(nn.Tanh), "gelu": perceptron(nn.GELU), "dropout": dropping,
    "deep": deep, "two widths": two_widths, "residual": lambda c: Residual(c.hidden), "normed": normed,
    "convolved": convolved,
}  # fmt: skip
LEFT = {
    "sigmoid": perceptron(nn.Sigmoid),
    "softplus": perceptron(nn.Softplus),
    "softmax": perceptron(lambda: nn.Softmax(-1)),
    "layer norm": lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.LayerNorm(c.hidden), nn.Linear(c.hidden, 10)),
    "centred": lambda c: Reading(c.hidden, lambda net, h: h - h.mean(-1, keepdim=True)),
    "scaled by its shape": lambda c: Reading(c.hidden, lambda net, h: h / h.shape[-1] ** 0.5),
    "scaled by an attribute": lambda c: Reading(c.hidden, lambda net, h: h / net.hidden),
    "branches on an attribute": lambda c: Reading(c.hidden, lambda net, h: h * 2 if net.hidden > 70 else h),
    "compares an attribute": lambda c: Reading(c.hidden, lambda net, h: h * 2 if net.hidden == 65 else h),
    "hashes an attribute": lambda c: Reading(c.hidden, lambda net, h: h * 2 if net.hidden in {100, 101} else h),
    "prints an attribute": lambda c: Reading(c.hidden, lambda net, h: h * len(f"{net.hidden}")),
    "branches on its shape": lambda c: Reading(c.hidden, lambda net, h: h * 2 if h.shape[-1] % 8 == 1 else h),
    "its shape by another name": lambda c: Reading(c.hidden, lambda net, h: h * h.size(-1) ** -0.5),
    "its number of elements": lambda c: Reading(c.hidden, lambda net, h: h / h.numel()),
    "largest unit": lambda c: Reading(c.hidden, lambda net, h: h - h.amax(-1, keepdim=True)),
    "shifted": lambda c: Shifted(c.hidden, lambda net, h: F.relu(h) + net.own),
    "threshold": lambda c: Shifted(c.hidden, lambda net, h: F.relu(h - net.own - 0.1)),
    "gated by a zero": lambda c: Shifted(c.hidden, lambda net, h: F.relu(h) + net.own * torch.sigmoid(h)),
    "zero in double precision only": lambda c: Shifted(
        c.hidden, lambda net, h: torch.tanh(h + 0.3) - math.tanh(0.3) + net.own * 0
    ),
    "concatenated": lambda c: Concatenated(c.hidden),
    "penalised": lambda c: Penalised(c.hidden),
    "in a closure": lambda c: Reading(c.hidden, lambda net, h: h / c.hidden),
    "gru": lambda c: Rows(c.hidden),
}


class Rows(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gru, self.head = nn.GRU(8, hidden, batch_first=True), nn.Linear(hidden, 10)

    def forward(self, x):
        return self.head(self.gru(x.view(-1, 8, 8))[0][:, -1])


@pytest.mark.parametrize(
    ("own", "filled", "used"),
    [
        ((3,), (89,), 64),
        ((64,), (89,), 64),
        ((65,), (89,), 89),
        ((2, 8), (11, 8), 64),
        ((9, 3), (11, 8), 88),
        ((11, 8), (11, 8), 88),
    ],
)
def test_of_what_is_filled_up_a_few_numbers_more_than_are_in_use_are_updated(own, filled, used):
    """A multiple of what a processor computes at once, or all: so the end of a row depends on no neighbour."""
    for dtype, numbers in ((torch.float32, 1), (torch.complex64, 2)):
        stacked = torch.zeros(2, *filled, dtype=dtype)
        assert Numbers(stacked, [], [torch.zeros(own, dtype=dtype)] * 2, slice(0, 2)).used == [numbers * used] * 2


def census(t, configs=CONFIGS, largest=256):
    return Census.of(t, configs, "cpu", lambda config: [{**config, "hidden": largest}])


def grouped(t, members, isolated, known=None):
    """Kind -> those of the runs that are of it."""
    kinds, found = Kinds(known or census(t)), {}

    def build(seed, config):
        return Run(t, config, isolated=isolated, seed=seed)

    for run in members:
        found.setdefault(kinds.of(run, build, isolated.seed), []).append(run)
    return found


def train(t, members, isolated, n_epochs, known=None):
    """In populations by kind; per run its curve."""
    curves = {run: [] for run in members}
    for kind, own in grouped(t, members, isolated, known).items():
        population = Population(own, kind.form)
        for epoch in range(n_epochs):
            for run, metrics in zip(own, population.train_epoch([epoch] * len(own)), strict=True):
                curves[run].append(metrics)
        population.release()
    return [curves[run] for run in members]


@pytest.mark.parametrize("model", FILLED_UP.values(), ids=FILLED_UP)
def test_lanes_of_different_width_train_as_they_do_alone(model):
    t = task(lambda c: model(c).double(), precise=True, epochs=4)
    configs = (
        CONFIGS
        if model not in (normed, convolved, FILLED_UP["residual"])
        else [{**config, "batch_size": 16} for config in CONFIGS]
    )
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated) for _ in range(2))
        assert curve_gap(train(t, ours, isolated, 4, census(t, configs)), apart(theirs, range(4))) <= 1e-6
        assert gap(ours, theirs) <= 1e-8
        kinds = grouped(t, runs(t, configs, isolated), isolated, census(t, configs))
        assert max(len({run.config.hidden for run in own}) for kind, own in kinds.items() if kind.form.padding) >= 2


@pytest.mark.parametrize("model", LEFT.values(), ids=LEFT)
def test_what_zeros_would_change_is_not_filled_up(model):
    t = task(model, epochs=2)
    configs = [{**config, "batch_size": 16} for config in CONFIGS]
    with Isolated() as isolated:
        ours, theirs = runs(t, configs, isolated), runs(t, configs, isolated)
        assert not any(kind.form.padding for kind in grouped(t, ours, isolated, census(t, configs)))
        assert curve_gap(train(t, ours, isolated, 2, census(t, configs)), apart(theirs, range(2))) <= 1e-4


@pytest.mark.parametrize("model", [dropping, normed, convolved])
def test_a_lane_has_the_same_bits_whatever_widths_are_beside_it(model):
    t = task(model, epochs=2)
    configs = [{**config, "batch_size": 32} for config in CONFIGS]
    known = census(t, configs)
    with Isolated() as isolated:
        whole = runs(t, configs, isolated)
        train(t, whole, isolated, 2, known)
        for chosen in ([5], [0, 3], [11, 2, 4, 9], range(6)):
            some = runs(t, configs, isolated)
            train(t, [some[at] for at in chosen], isolated, 2, known)
            assert [bits(some[at]) for at in chosen] == [bits(whole[at]) for at in chosen]


def test_a_lane_that_was_saved_and_loaded_has_the_same_bits():
    t = task(dropping, epochs=3)
    known = census(t)
    with Isolated() as isolated:
        whole, states = runs(t, CONFIGS, isolated), {}
        train(t, whole, isolated, 3, known)
        for epoch in range(3):
            fresh = runs(t, CONFIGS, isolated)
            for at, run in enumerate(fresh):
                if at in states:
                    run.load_state_dict(decode(states[at]))
            for kind, own in grouped(t, fresh, isolated, known).items():
                Population(own, kind.form).train_epoch([epoch] * len(own))
            states = dict(enumerate(map(bits, fresh)))
    assert list(states.values()) == [bits(run) for run in whole]


def test_widths_go_by_rungs_below_the_largest_of_the_space():
    t = task(perceptron(nn.ReLU))
    with Isolated() as isolated:
        found = grouped(t, runs(t, CONFIGS, isolated), isolated)
        shapes = {
            frozenset(run.config.hidden for run in own): dict(kind.form.padding.dims) for kind, own in found.items()
        }
        assert shapes == {
            frozenset({3, 17, 64}): {"0.weight": (64, None), "0.bias": (64,), "2.weight": (None, 64)},
            frozenset({65, 100, 256}): {"0.weight": (256, None), "0.bias": (256,), "2.weight": (None, 256)},
        }


@pytest.mark.parametrize("config", [{"hidden": 257}, {"hidden": 20, "optimizer": "adam", "eps": 0.0}])
def test_what_is_wider_than_the_space_or_would_divide_zero_by_zero_is_left_as_it_is(config):
    def optimizer(parameters, c):
        return torch.optim.Adam(parameters, eps=c.get("eps", 1e-8))

    t = task(perceptron(nn.ReLU), optimizer=optimizer)
    with Isolated() as isolated:
        (kind,) = grouped(t, runs(t, [config], isolated), isolated)
    assert not kind.form.padding


def test_a_width_of_which_there_is_no_second_in_the_space_is_left_as_it_is():
    t = task(perceptron(nn.ReLU))
    configs = [{"hidden": 20, "learning_rate": rate} for rate in (0.1, 0.01)]
    with Isolated() as isolated:
        (kind,) = grouped(t, runs(t, configs, isolated), isolated, census(t, configs, largest=64))
    assert not kind.form.padding


def test_equal_widths_of_two_layers_draw_noise_of_their_own():
    t = task(lambda c: two_widths(c).double(), precise=True, epochs=2)
    configs = [{"hidden": hidden, "batch_size": 16, "dropout": 0.301} for hidden in (70, 90, 110, 120)]
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated) for _ in range(2))
        known = census(t, configs, largest=120)
        assert len(grouped(t, ours, isolated, known)) == 1
        assert curve_gap(train(t, ours, isolated, 2, known), apart(theirs, range(2))) <= 1e-6


def test_a_kind_is_not_cut_because_its_data_happen_to_fill_a_piece():
    x, y = (part[:160] for part in ct.data.digits())  # 128 of them to train on
    t = task(batch_normed, data=(x, y))
    with Isolated() as isolated:
        kinds = grouped(t, runs(t, [{"batch_size": size} for size in (128, 100)], isolated), isolated)
        assert not any(kind.form.is_cut for kind in kinds)


def batch_normed(c):
    return nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


@pytest.mark.parametrize("model", [lambda c: nn.LazyLinear(10), lambda c: nn.Sequential(nn.LazyLinear(c.hidden))])
def test_what_has_no_shape_yet_is_no_kind_of_any_width(model):
    t = task(model)
    assert not census(t).pairs


def test_the_widest_networks_are_asked_for_once_per_structure_and_only_where_there_are_several():
    asked = []

    def wider(config):
        asked.append(config["depth"])
        return [{**config, "hidden": 300}]

    def model(c):
        layers = [part for _ in range(c.depth) for part in (nn.Linear(c.hidden, c.hidden), nn.ReLU())]
        return nn.Sequential(nn.Linear(64, c.hidden), *layers, nn.Linear(c.hidden, 10))

    t = task(model)
    drawn = [{"hidden": 20 + at, "depth": depth} for at, depth in enumerate((1, 2, 1, 3, 2, 1))]
    known = Census.of(t, drawn, "cpu", wider)
    assert asked == [1, 2]
    with Isolated() as isolated:
        one, three = runs(t, [drawn[0], drawn[3]], isolated)
        assert dict(known.widths.padding(one).dims)["0.weight"] == (75, None)
        assert known.widths.padding(three) is None  # nothing is known to differ
