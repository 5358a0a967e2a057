"""Code that could go wrong in a lane is computed right or refused, but never silently wrong."""

from __future__ import annotations

import functools
import random
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam, AdamW, lr_scheduler

import cotune.training as ct
from cotune.training import Isolated, Run
from cotune.training.fused import Kinds, Population, Unfusable
from training.fused.lanes import X, Y


class Net(nn.Module):
    """Two layers around code of all sorts."""

    def __init__(self, between, config):
        super().__init__()
        self.first, self.head, self.between = nn.Linear(64, 16), nn.Linear(16, 10), between
        self.register_buffer("count", torch.tensor(0.0))
        self.scale, self.config, self.kept, self.n_calls = config.scale, None, None, 0

    def forward(self, x):
        return self.head(self.between(self, torch.tanh(self.first(x))))


CONFIGS = [
    {"scale": 0.5, "learning_rate": 0.1},
    {"scale": 0.25, "learning_rate": 0.05},
    {"scale": 0.5, "learning_rate": 0.2},
]


def outcome(between=lambda net, h: h, *, loss=None, finish=None, optimizer=None, configs=CONFIGS, data=(X, Y)):
    """(number of populations that three runs make, largest difference of a metric from separate training), or raises.

    Every epoch has a population of its own, as when lanes come and go.
    """

    def build(config):
        net = Net(between, config)
        if finish is not None:
            finish(net, config)
        return net

    with Isolated() as isolated:
        t = ct.Task(
            model=build, data=data, loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer, epochs=3, device="cpu"
        )
        configs = [{"optimizer": "sgd", "batch_size": 16, **config} for config in configs]
        ours, theirs = ([Run(t, c, isolated=isolated, seed=i) for i, c in enumerate(configs)] for _ in range(2))
        kinds, populations = Kinds(), {}

        def built(seed, config):
            return Run(t, config, isolated=isolated, seed=seed)

        for run in ours:
            populations.setdefault(kinds.of(run, built, isolated.seed), []).append(run)
        worst = 0.0
        for epoch in range(3):
            fused = {}
            for kind, members in populations.items():
                population = Population(members, kind.form)
                fused |= dict(zip(members, population.train_epoch([epoch] * len(members)), strict=True))
                population.release()
            for run, twin in zip(ours, theirs, strict=True):
                plain = twin.train_epoch(epoch)
                worst = max(worst, *(abs(value - fused[run][name]) for name, value in plain.items()))
        return len(populations), worst


def where_float(net, h):
    return torch.where(h > 0, h, net.scale)


def where_two_floats(net, h):
    return h * torch.where(h > 0, 1.0, net.scale)


def clamped(net, h):
    return h.clamp(max=net.scale)


def lerped(net, h):
    return torch.lerp(h, h.relu(), net.scale)


def branching(net, h):
    return h * (2 if net.scale > 0.3 else 1)


CODE = {
    "where of constants": lambda net, h: h * torch.where(h > 0, 1.0, 0.5),
    "where with a hyperparameter": where_float,
    "where of two floats": where_two_floats,
    "clamp": clamped,
    "lerp": lerped,
    "a branch on a hyperparameter": branching,
    "a slope": lambda net, h: F.leaky_relu(h, net.scale),
    "an exponent": lambda net, h: (h.abs() + 0.1) ** net.scale,
    "a base": lambda net, h: net.scale**h,
    "full_like": lambda net, h: h + torch.full_like(h, net.scale),
    "torch.tensor": lambda net, h: h * torch.tensor(net.scale),
    "alpha": lambda net, h: torch.add(h, h.relu(), alpha=net.scale),
    "elu": lambda net, h: F.elu(h, net.scale),
    "a format": lambda net, h: h if f"{h}" else h,
    "batch_norm in evaluation": lambda net, h: F.batch_norm(h, torch.zeros(16), torch.ones(16), eps=net.scale),
    "batch_norm without parameters": lambda net, h: F.batch_norm(h, None, None, training=True, eps=net.scale),
}


@pytest.mark.parametrize("name", CODE)
def test_a_hyperparameter_in_code_is_that_of_the_lane(name):
    assert outcome(CODE[name])[1] <= 1e-5


def numpy(net, h):
    return h * float(h.detach().numpy().mean())


def as_array(net, h):
    return h * float(np.asarray(h.detach()).mean())


def a_number(net, h):
    return h * float(h.mean())


def a_list(net, h):
    return h * torch.tensor([h.mean(), 1.0])[0]


def nonzero(net, h):
    return h + (h > 0).nonzero().shape[0] / 100


def where(net, h):
    return h + len(torch.where(h > 0)[0]) / 100


def unique(net, h):
    return h + (h > 0).sum(1).unique().numel()


def torch_unique(net, h):
    return h + torch.unique((h > 0).sum(1)).numel()


def equal(net, h):
    return h if torch.equal(h, h.abs()) else -h


def masked(net, h):
    h = h.clone()
    h[h < 0] = 0
    return h


def carried(net, h):
    if net.kept is not None:
        h = h + net.kept.mean(0)
    net.kept = h.detach()
    return h


def permuted(net, h):
    return h[torch.randperm(len(h))]


def gumbel(net, h):
    return F.gumbel_softmax(h)


def bernoulli(net, h):
    return h * torch.bernoulli(torch.full_like(h, 0.5))


def sampled(net, h):
    return torch.distributions.Normal(h, 1.0).rsample()


def filled(net, h):
    return h + torch.empty(16).normal_()


def multinomial(net, h):
    return h + torch.multinomial(torch.ones(5), 1)


def generated(net, h):
    return h + torch.randn(16, generator=torch.Generator().manual_seed(net.n_calls))


NAMED = (
    numpy, as_array, a_number, a_list, nonzero, where, unique, torch_unique, equal, masked, carried, permuted, gumbel,
    bernoulli, sampled, filled, multinomial, generated,
)  # fmt: skip


@pytest.mark.parametrize("between", NAMED, ids=lambda between: between.__name__)
def test_code_that_depends_on_values_or_draws_unseen_is_refused_with_its_line(between):
    with pytest.raises(Unfusable, match=rf"{between.__name__} line \d+ of test_never_wrong.py"):
        outcome(between)


def packed(net, x):
    lengths = torch.full((len(x),), 4)
    lengths[0] = 8
    rows = nn.utils.rnn.pack_padded_sequence(x.view(-1, 8, 2), lengths, batch_first=True, enforce_sorted=False)
    return net.gru(rows)[1][0]


def test_packed_sequences_are_refused():
    def finish(net, config):
        net.gru = nn.GRU(2, 16, batch_first=True)

    with pytest.raises(Unfusable, match=r"line \d+ of test_never_wrong.py"):
        outcome(packed, finish=finish)


def listed(net, h):
    net.kept = net.kept or []
    if net.kept:
        h = h + net.kept[-1].mean(0)
    net.kept.append(h.detach())
    return h


def counted(net, h):
    net.n_calls += 1
    return h * min(1.0, net.n_calls / 10)


def reassigned(net, h):
    net.count = net.count + 1
    return h * net.count


def by_luck(net, h):
    return h * (0.0 if net.training and random.random() < 1e-9 else 1.0)


def by_luck_of_numpy(net, h):
    return h * (0.0 if net.training and np.random.rand() < 1e-9 else 1.0)  # noqa: NPY002


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (listed, "keeps tensors in kept from one batch to the next"),
        (counted, "changes n_calls in forward; keep it in a buffer"),
        (reassigned, "gives count a new tensor in forward; change it in place"),
        (by_luck, "draws from a global generator"),
        (by_luck_of_numpy, "draws from a global generator"),
    ],
)
def test_what_lanes_would_share_or_lose_is_refused(between, message):
    with pytest.raises(Unfusable, match=message):
        outcome(between)


def test_a_counter_that_changes_in_place_is_a_lanes_own():
    def counting(net, h):
        if net.training:
            net.count += 1
        return h * (net.count / 10).clamp(max=1.0)

    assert outcome(counting) == (1, pytest.approx(0, abs=1e-5))


def test_a_tensor_that_is_kept_only_to_look_at_is_no_obstacle():
    def looking(net, h):
        net.kept = h
        return h

    n_populations, worst = outcome(looking)
    assert n_populations == 1
    assert worst <= 1e-5


def kept_config(net, config):
    net.config = config


def test_a_module_may_keep_its_configuration():
    n_populations, worst = outcome(finish=kept_config)
    assert n_populations == 2  # one per scale, because nobody sees what the module reads of it
    assert worst <= 1e-5


def test_a_module_that_reads_its_configuration_in_forward_has_that_of_its_lane():
    n_populations, worst = outcome(lambda net, h: h * net.config.scale, finish=kept_config)
    assert n_populations == 2
    assert worst <= 1e-5


def test_a_module_that_reads_the_learning_rate_is_refused():
    with pytest.raises(Unfusable, match="reads learning_rate of its configuration"):
        outcome(lambda net, h: h * net.config.learning_rate, finish=kept_config)


def test_a_loss_that_reads_what_only_training_reads_is_refused():
    with pytest.raises(Unfusable, match="reads learning_rate of its configuration"):
        outcome(loss=lambda output, target, config: F.cross_entropy(output, target) * config.learning_rate)


def test_a_loss_has_the_hyperparameters_of_its_lane():
    n_populations, worst = outcome(
        loss=lambda output, target, config: F.cross_entropy(output, target, label_smoothing=config.scale)
    )
    assert n_populations == 1
    assert worst <= 1e-5


def random_mask(net, config):
    net.kept = torch.rand(16)


def test_a_random_tensor_that_is_no_buffer_is_refused():
    with pytest.raises(Unfusable, match="differs"):
        outcome(lambda net, h: h * net.kept, finish=random_mask)


def test_tensors_kept_as_attributes_are_shared_only_where_they_are_equal():
    def finish(net, config):
        net.kept = torch.full((16,), config.scale)

    n_populations, worst = outcome(lambda net, h: h * net.kept, finish=finish)
    assert n_populations == 2
    assert worst <= 1e-5


def captured(net, config):
    net.kept = lambda h: h * config.scale


def captured_float(net, config):
    factor = config.scale
    net.kept = lambda h: h * factor


def captured_rate(net, config):
    net.kept = lambda h: h * config.learning_rate


def default(net, config):
    def kept(h, factor=config.scale):
        return h * factor

    net.kept = kept


def keyword_default(net, config):
    def kept(h, *, factor=config.scale):
        return h * factor

    net.kept = kept


def partial(net, config):
    net.kept = functools.partial(F.leaky_relu, negative_slope=config.scale)


def hooked(net, config):
    net.kept = nn.Identity()
    net.kept.register_forward_hook(lambda module, inputs, output: output * config.scale)


@pytest.mark.parametrize(
    "finish", [captured, captured_float, captured_rate, default, keyword_default, partial, hooked],
    ids=lambda finish: finish.__name__,
)  # fmt: skip
def test_functions_that_hold_other_values_are_not_shared(finish):
    n_populations, worst = outcome(lambda net, h: net.kept(h), finish=finish)
    assert n_populations >= 2
    assert worst <= 1e-5


def test_an_object_of_no_known_kind_is_never_taken_for_another_one():
    class Factor:
        def __init__(self, value):
            self.value = value

    def finish(net, config):
        net.kept = Factor(config.scale)

    n_populations, worst = outcome(lambda net, h: h * net.kept.value, finish=finish)
    assert n_populations == 3
    assert worst <= 1e-5


def test_a_module_that_cannot_be_copied_is_refused():
    def finish(net, config):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is an old way to do it
            nn.utils.weight_norm(net.first)

    with pytest.raises(Unfusable, match="cannot be copied"):
        outcome(finish=finish)


class Scaled(nn.Module):
    """Turns bytes into floats, in one of the ways that there are."""

    def __init__(self, turned):
        super().__init__()
        self.turned = turned

    def forward(self, x):
        return self.turned(x) / 16


@pytest.mark.parametrize(
    "turned",
    [lambda x: x.float(), lambda x: x.to(torch.float32), lambda x: x.to(dtype=torch.float), lambda x: x.type_as(Y / 2)],
    ids=["float", "to", "to dtype", "type_as"],
)  # fmt: skip
def test_data_of_bytes_is_turned_to_floats_in_a_lane_as_alone(turned):
    t = ct.Task(
        model=lambda config: nn.Sequential(Scaled(turned), nn.Linear(64, 10)), data=((16 * X).to(torch.uint8), Y),
        loss=nn.CrossEntropyLoss(), epochs=1, device="cpu",
    )  # fmt: skip
    with Isolated() as isolated:
        ours, theirs = (
            [Run(t, {"learning_rate": rate}, isolated=isolated, seed=i) for i, rate in enumerate((0.1, 0.01))]
            for _ in range(2)
        )
        Kinds().of(ours[0], lambda seed, config: Run(t, config, isolated=isolated, seed=seed), isolated.seed)
        fused, plain = Population(ours).train_epoch([0, 0]), [run.train_epoch(0) for run in theirs]
    for one, other in zip(fused, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def gaussian_parameters(net, h):
    return torch.cat([h[:, :8], F.softplus(h[:, 8:])], dim=1)


def likelihood(output, target):
    normal = torch.distributions.Normal(output[:, 0], F.softplus(output[:, 1]) + 0.1)
    return -normal.log_prob(target).mean()


def test_the_likelihood_of_a_distribution_is_fused_right():
    assert (
        outcome(gaussian_parameters, loss=likelihood, configs=[{**c, "learning_rate": 0.01} for c in CONFIGS])[1]
        <= 1e-4
    )


def test_the_gaussian_loss_is_fused_right_or_refused():
    def loss(output, target):
        return F.gaussian_nll_loss(output[:, 0], target.to(output.dtype), F.softplus(output[:, 1]) + 0.1)

    try:
        worst = outcome(loss=loss, configs=[{**c, "learning_rate": 0.01} for c in CONFIGS])[1]
    except Unfusable as refusal:
        assert "line" in str(refusal)
    else:
        assert worst <= 1e-4


def test_an_optimiser_without_a_version_for_lanes_is_refused_beside_accepted_ones():
    def optimizer(parameters, config):
        kind = torch.optim.Adagrad if config.learning_rate == 0.2 else torch.optim.Adam
        return kind(parameters, lr=config.learning_rate)

    with pytest.raises(Unfusable, match="Adagrad has no version for lanes"):
        outcome(optimizer=optimizer)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda p, c: Adam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True), "decays weights"),
        (lambda p, c: Adam(p, amsgrad=True), "amsgrad"),
        (lambda p, c: AdamW(p, maximize=True), "maximize"),
        (lambda p, c: Adam(p, lr=torch.tensor(0.01)), "learning rate is a tensor"),
    ],
)
def test_options_without_a_version_for_lanes_are_refused(optimizer, message):
    with pytest.raises(Unfusable, match=message):
        outcome(optimizer=optimizer)


def test_an_optimiser_with_hooks_is_refused():
    def optimizer(parameters, config):
        made = Adam(parameters, lr=config.learning_rate)
        made.register_step_post_hook(lambda *_: None)
        return made

    with pytest.raises(Unfusable, match="has hooks"):
        outcome(optimizer=optimizer)


def test_schedulers_warn_of_nothing():
    t = ct.Task(
        model=lambda c: nn.Linear(64, 10), data=(X, Y), loss=nn.CrossEntropyLoss(), epochs=2, device="cpu",
        schedule=lambda optimizer, c: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20),
    )  # fmt: skip
    with Isolated() as isolated, warnings.catch_warnings():
        warnings.simplefilter("error")
        Population([Run(t, {}, isolated=isolated, seed=i) for i in range(2)]).train_epoch([0, 0])


def mixed(net, h):
    return h + net.scale * h.mean(0, keepdim=True)


@pytest.mark.parametrize("first", [0.0, 1e-9])
def test_what_a_number_of_zero_hides_is_found_out_before_others_are_fused(first):
    """The mean over the samples must not be cut into pieces, also if the first run does not use it."""
    configs = [{"scale": scale, "batch_size": size} for scale, size in ((first, 16), (0.5, 45), (0.9, 40))]
    loss = F.cross_entropy
    assert outcome(mixed, loss=loss, configs=configs)[1] <= 1e-5


class Left:
    """What builders leave behind."""

    config = None


def left_behind(net, h):
    return h * Left.config.scale


def leave(net, config):
    Left.config = config


def test_code_that_reads_what_its_builder_left_behind_is_refused():
    with pytest.raises(Unfusable, match="differs"):
        outcome(left_behind, finish=leave)
