"""A population whose passes are recorded trains to the bits of one whose passes are all made by the models' code."""

from __future__ import annotations

import math
import types
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotune.training import Isolated, Run
from cotune.training.fused import Form, Kinds, Population, Unfusable
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
    assert made_by_code.total() <= len(often.seen) * (OFTEN + 1 + BELIEVED) < n_made


def test_populations_of_a_kind_share_recordings(made_by_code):
    t, recordings = task(normed), Recordings(often=OFTEN)
    first = trained(t, configs_of(t, (16,) * 3), EXACT, recordings)
    made_by_code.clear()
    assert trained(t, configs_of(t, (16,) * 3), EXACT, recordings) == first
    assert made_by_code.total() == BELIEVED * len(recordings.made)


class Moods:
    """1, 2, 3, ..., of which nobody sees anything."""

    def __init__(self):
        self.n = 0

    def __next__(self):
        self.n += 1
        return float(self.n)


class Whimsical(nn.Module):
    def __init__(self, moods):
        super().__init__()
        self.head, self.moods = nn.Linear(64, 10), moods

    def forward(self, x):
        return self.head(x) * next(self.moods)


def test_what_holds_an_object_whose_state_nobody_can_compare_is_not_recorded(made_by_code):
    recordings = Recordings(often=OFTEN)
    t = task(lambda c: Whimsical(Moods()))
    trained(t, configs_of(t, (16,) * 3), EXACT, recordings)
    assert not recordings.made
    assert made_by_code.total() == 15


class Hidden:
    """Nobody sees what it holds."""

    __slots__ = ("changes_at", "n_calls")

    def __call__(self):
        self.n_calls += 1
        return 1.0 if self.n_calls < self.changes_at else 2.0


MOOD = Hidden()


def whimsical_loss(output, y):
    return F.cross_entropy(output, y) * MOOD()


def test_a_recording_that_never_gave_the_bits_of_the_code_is_not_used():
    MOOD.n_calls, MOOD.changes_at = 0, OFTEN + 3  # after it was made, before it is believed
    recordings = Recordings(often=OFTEN)
    t = task(mlp, loss=whimsical_loss)
    trained(t, configs_of(t, (16,) * 3), EXACT, recordings, range(2))
    assert list(recordings.made.values()) == [None]


def test_code_that_computes_something_else_later_is_found_out_at_the_begin_of_an_epoch():
    MOOD.n_calls, MOOD.changes_at = 0, OFTEN + 20  # it is called when recordings are made and compared, and to validate
    recordings = Recordings(often=OFTEN)
    t = task(mlp, loss=whimsical_loss)
    with pytest.raises(Unfusable, match="something else than before"):
        trained(t, configs_of(t, (16,) * 3), EXACT, recordings, range(60))


SCALE, SCALES, SETTINGS, TURNED = 1.0, {"loss": [1.0]}, types.SimpleNamespace(scale=1.0), torch.ones(())
ELSEWHERE = types.ModuleType("somebody_elses_settings")
ELSEWHERE.scale = 1.0


class Scaling:
    scale = 1.0


class Scaled(nn.Module):
    scale = 1.0

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(x) * self.scale


def doubled_if_asked(x):
    return x * SCALE


def set_global(to):
    global SCALE
    SCALE = to


READS = {
    "a number, by a function": (lambda output, y: F.cross_entropy(doubled_if_asked(output), y), set_global),
    "a number in a list in a dict": (
        lambda output, y: F.cross_entropy(output * SCALES["loss"][0], y), lambda to: SCALES["loss"].__setitem__(0, to)
    ),
    "an attribute of an object": (
        lambda output, y: F.cross_entropy(output * SETTINGS.scale, y), lambda to: setattr(SETTINGS, "scale", to)
    ),
    "an attribute of a module": (
        lambda output, y: F.cross_entropy(output * ELSEWHERE.scale, y), lambda to: setattr(ELSEWHERE, "scale", to)
    ),
    "an attribute of a class": (
        lambda output, y: F.cross_entropy(output * Scaling.scale, y), lambda to: setattr(Scaling, "scale", to)
    ),
    "an attribute of the model's class": (nn.CrossEntropyLoss(), lambda to: setattr(Scaled, "scale", to)),
    "a tensor": (lambda output, y: F.cross_entropy(output * TURNED.item(), y), lambda to: TURNED.fill_(to)),
    "a tensor that stays one": (lambda output, y: F.cross_entropy(output * TURNED, y), lambda to: TURNED.fill_(to)),
}  # fmt: skip


@pytest.mark.parametrize("where", READS)
def test_a_global_that_changes_between_epochs_counts_at_once(where):
    loss, change = READS[where]
    t = task(lambda c: Scaled(), loss=loss)
    configs = configs_of(t, (16,) * 3)
    results = []
    for often in (math.inf, OFTEN):
        with Isolated() as isolated:
            members = runs(t, configs, isolated)
            population = Population(members, EXACT, recordings=Recordings(often=often))
            for epoch in range(8):
                change(3.0 if epoch >= 5 else 1.0)
                population.train_epoch([epoch] * 3)
            population.release()
            results.append(list(map(bits, members)))
    change(1.0)
    assert results[0] == results[1]


class Proxy:
    """As those that web frameworks have: it stands for an object that is not there."""

    def __getattribute__(self, name):
        raise RuntimeError("working outside of request context")


def test_globals_that_cannot_be_looked_at_do_no_harm(made_by_code, monkeypatch):
    def loss(output, y):
        assert PROXY is not ABSENT  # noqa: F821 - below
        return F.cross_entropy(output, y)

    lazy = types.ModuleType("lazy")
    lazy.__getattr__ = lambda name: 1 / 0
    monkeypatch.setitem(globals(), "PROXY", Proxy())
    monkeypatch.setitem(globals(), "ABSENT", lazy)
    monkeypatch.setattr(Hidden, "proxy", Proxy(), raising=False)
    recordings = Recordings(often=OFTEN)
    trained(task(mlp, loss=loss), [{"optimizer": "sgd", "batch_size": 16}] * 3, EXACT, recordings)
    assert None not in recordings.made.values()
    assert recordings.made


class Kept(torch.autograd.Function):
    """Its backward pass gives a tensor that somebody keeps."""

    @staticmethod
    def forward(x, weight, kept):
        return x @ weight.mT

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.kept = inputs[2]

    @staticmethod
    def backward(ctx, gradient):
        return None, ctx.kept, None

    @staticmethod
    def vmap(info, in_dims, x, weight, kept):
        return Kept.apply(x, weight, kept), 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("size", [7, 70])
@pytest.mark.parametrize("often", [math.inf, OFTEN], ids=["made", "recorded"])
def test_a_gradient_that_is_a_buffer_is_not_changed(often, size, optimizer):
    class Keeping(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, size), nn.Linear(size, 10)
            self.register_buffer("kept", torch.full((size, 64), 0.01))

        def forward(self, x):
            return self.head(F.relu(Kept.apply(x, self.body.weight, self.kept)))

    t = task(lambda c: Keeping())
    configs = [{"optimizer": optimizer, "weight_decay": 0.3, "grad_clip": 0.01, "learning_rate": 0.01}] * 3
    with Isolated() as isolated:
        members = runs(t, configs, isolated)
        population = Population(members, EXACT, recordings=Recordings(often=often))
        for epoch in range(3):
            population.train_epoch([epoch] * 3)
        assert torch.equal(population.buffers["kept"], torch.full((4, size, 64), 0.01))


def test_a_pass_that_begins_to_change_a_buffer_is_found_out():
    """The recording leaves it alone, so nobody has a copy of what it was."""
    seen = Hidden()
    seen.n_calls, seen.changes_at = 0, OFTEN + 2

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)
            self.register_buffer("n", torch.zeros(3))

        def forward(self, x):
            if self.training and SEEN[0]() > 1:
                self.n.add_(1)
            return self.head(x)

    SEEN[:] = [seen]
    recordings = Recordings(often=OFTEN)
    t = task(lambda c: Counting())
    trained(t, configs_of(t, (16,) * 3), EXACT, recordings, range(2))
    assert list(recordings.made.values()) == [None]


SEEN = []


def test_a_rate_of_dropout_that_is_computed_is_not_recorded(made_by_code):
    class Warming(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)
            self.register_buffer("rate", torch.tensor(0.0))

        def forward(self, x):
            self.rate.add_(0.01)
            return self.head(F.dropout(x, self.rate, self.training))

    t, recordings = task(lambda c: Warming()), Recordings(often=OFTEN)
    configs = configs_of(t, (16,) * 3)
    assert trained(t, configs, EXACT, recordings) == trained(t, configs, EXACT, Recordings(often=math.inf))
    assert set(recordings.made.values()) == {None}


def test_what_torch_checks_is_checked_in_a_replay_too():
    class Failing(nn.Module):
        """Its matrix is positive definite for a while."""

        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)
            self.register_buffer("shift", torch.zeros(()))

        def forward(self, x):
            self.shift.sub_(0.1)
            return self.head(x) + torch.linalg.cholesky(torch.eye(10) * (1.55 + self.shift))[0]

    t = task(lambda c: Failing())
    for recordings in (Recordings(often=math.inf), Recordings(often=OFTEN)):
        with pytest.raises((RuntimeError, Unfusable), match="cholesky"):
            trained(t, configs_of(t, (16,) * 3), EXACT, recordings, range(5))
    assert None not in recordings.made.values()


class Thawing(nn.Module):
    """Batch norm is not trained in the first epochs, as people unfreeze layers."""

    def __init__(self):
        super().__init__()
        self.head, self.norm, self.epoch = nn.Linear(64, 10), nn.BatchNorm1d(10), 0

    def train(self, mode=True):
        super().train(mode)
        self.epoch += mode
        if self.epoch < 4:
            self.norm.eval()
        return self

    def forward(self, x):
        return self.norm(self.head(x))


def test_parts_that_are_set_to_training_later_are_told_from_before():
    t, recordings = task(lambda c: Thawing()), Recordings(often=OFTEN)
    configs = configs_of(t, (16,) * 3)
    assert trained(t, configs, EXACT, recordings, range(8)) == trained(
        t, configs, EXACT, Recordings(often=math.inf), range(8)
    )
    assert len(recordings.made) == 4 and None not in recordings.made.values()  # whole batches and the rest, twice


def test_a_model_that_counts_its_epochs_is_refused():
    t = task(lambda c: Thawing())
    with Isolated() as isolated, pytest.raises(Unfusable, match="changes epoch when it is set to training"):

        def build(seed, config):
            return Run(t, config, isolated=isolated, seed=seed)

        Kinds().of(build(0, {"batch_size": 16}), build, isolated.seed)


def test_an_epoch_that_broke_off_leaves_nothing_to_the_next():
    t = task(mlp)
    with Isolated() as isolated:
        configs = [{"batch_size": 48}, {"batch_size": 32}]
        members, others = runs(t, configs, isolated), runs(t, configs, isolated)
        population, fresh = Population(members, CUT), Population(others, CUT)
        population.gradients(next(population.begin([0, 0])))
        ours, theirs = (one.gradients(next(one.begin([1, 1]))) for one in (population, fresh))
        assert torch.equal(ours, theirs)
        for name in population.parameters:
            assert torch.equal(population.gradient(name), fresh.gradient(name))


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
