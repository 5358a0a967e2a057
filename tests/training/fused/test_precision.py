"""Lanes in mixed precision compute in the types in which autocast has separate training compute."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cotune as ct
from cotune.training import Isolated, Run
from cotune.training.fused import Kinds, Population, Unfusable
from training.fused.lanes import MODELS, X, Y, apart, curve_gap, mlp, runs, task, together
from training.fused.real_modules import REAL_MODULES

LANES = [{"learning_rate": 0.003 * (1 + lane), "dropout": 0.1 * (1 + lane)} for lane in range(3)]

TYPED = {
    "one type and another": lambda net, h: (h.to(torch.bfloat16) + 1).to(torch.float32),
    "named types": lambda net, h: h.type(torch.bfloat16).type(torch.float32),
    "softmax of one type and another": lambda net, h: h.softmax(-1, torch.bfloat16).softmax(-1, dtype=torch.float32),
    "matmul of two types": lambda net, h: torch.matmul(h.bfloat16(), net.square.float()),
}
"""What asks for a type by name cannot be followed in double precision."""
FUNCTIONS = {
    "linear": lambda net, h: F.linear(h, net.square),
    "imaginary and real factors": lambda net, h: (h.float() * 1j).imag + (h * 2.0 + h * 2),
    "linear of single precision": lambda net, h: F.linear(h.float(), net.square),
    "matmul": lambda net, h: h @ net.square,
    "mm": lambda net, h: h.mm(net.square),
    "addmm": lambda net, h: torch.addmm(net.row, h, net.square),
    "bmm": lambda net, h: torch.bmm(h[:, None], net.square.expand(len(h), 12, 12))[:, 0],
    "einsum": lambda net, h: torch.einsum("ni,io->no", h, net.square),
    "largest": lambda net, h: h.max(-1, keepdim=True).values,
    "mv": lambda net, h: torch.mv(h.float(), net.row)[:, None],
    "convolution": lambda net, h: F.conv1d(h[:, None], net.kernel).flatten(1),
    "transposed convolution": lambda net, h: F.conv_transpose1d(h[:, None], net.kernel).flatten(1),
    "softmax": lambda net, h: h.softmax(-1),
    "log_softmax in single precision": lambda net, h: F.log_softmax(h, -1, dtype=torch.float32),
    "exp": lambda net, h: h.exp(),
    "sum": lambda net, h: h.sum(-1, keepdim=True),
    "mean": lambda net, h: h.mean(-1, keepdim=True),
    "prod": lambda net, h: h.prod(-1, keepdim=True),
    "norm": lambda net, h: torch.linalg.vector_norm(h, dim=-1, keepdim=True),
    "pow": lambda net, h: h**2,
    "layer norm": lambda net, h: F.layer_norm(h, (12,), net.row, net.row),
    "group norm": lambda net, h: F.group_norm(h, 3, net.row, net.row),
    "batch norm": lambda net, h: net.norm(h),
    "attention": lambda net, h: F.scaled_dot_product_attention(*[h.view(-1, 3, 4)] * 3).flatten(1),
    "distances": lambda net, h: torch.cdist(h, net.square),
    "cosine": lambda net, h: F.cosine_similarity(h, net.row[None]).unsqueeze(-1),
    "fourier": lambda net, h: torch.fft.rfft(h).abs(),
    "concatenation of two types": lambda net, h: torch.cat([h, net.row.expand(len(h), 12)], 1),
    "stack of two types": lambda net, h: torch.stack([h, net.row.expand(len(h), 12)], 1).flatten(1),
    "sum of two types": lambda net, h: h + net.row,
    "prelu": lambda net, h: F.prelu(h, net.row[:1]),
    "in place": lambda net, h: h.clone().mul_(net.row),
    "loss of two types": lambda net, h: h * F.mse_loss(h, net.row.expand(len(h), 12)),
    "without autocast": lambda net, h: without_autocast(net, h),
    "interpolation": lambda net, h: F.interpolate(h[:, None], scale_factor=2.0, mode="linear").flatten(1),
    "embedding": lambda net, h: h + F.embedding(h.argmax(-1), net.square),
    "dropout": lambda net, h: F.dropout(h, 0.3, net.training),
}


def without_autocast(net, h):
    """As people write it where bfloat16 is too short; and under autocast again inside."""
    with torch.autocast("cpu", enabled=False):
        h = h.float() @ net.square
        with torch.autocast("cpu", torch.bfloat16):
            return h + h @ net.square


class Through(nn.Module):
    """A function of a layer's output, which is short; what it gives is the output, or goes on through a head."""

    def __init__(self, name, *, has_head=True):
        super().__init__()
        self.name = name
        self.body, self.norm = nn.Linear(64, 12), nn.BatchNorm1d(12)
        self.square = nn.Parameter(torch.randn(12, 12) / 4)
        self.row, self.kernel = nn.Parameter(torch.rand(12)), nn.Parameter(torch.randn(1, 1, 3))
        self.head = nn.Linear(1, 10) if has_head else None

    def forward(self, x):
        result = (FUNCTIONS | TYPED)[self.name](self, self.body(x).relu())
        return result if self.head is None else self.head(result.mean(-1, keepdim=True))


def short(model=mlp, **changes):
    return task(model, amp=True, **changes)


def kind(t, config=LANES[0]):
    with Isolated() as isolated:

        def build(seed, config):
            return Run(t, {"batch_size": 16, **config}, isolated=isolated, seed=seed)

        return Kinds().of(build(0, config), build, isolated.seed)


@pytest.mark.parametrize("name", [*FUNCTIONS, *TYPED])
def test_a_function_has_the_type_and_the_numbers_that_it_has_alone(name):
    t = short(lambda c: Through(name, has_head=False), loss=lambda output, y: output.float().mean(), metrics="loss")
    with Isolated() as isolated:
        ours, theirs = (runs(t, LANES, isolated) for _ in range(2))
        outputs, losses = Population(ours).rehearsed(16)
        for lane, run in enumerate(theirs):
            run.model.eval()
            batch = next(iter(run.train.samples.batches(run.order(0), 16, torch.Generator())))
            with torch.no_grad():
                output, loss = run.forward(batch)
            assert outputs[lane].dtype == output.dtype
            assert outputs[lane].shape == output.shape
            torch.testing.assert_close(outputs[lane].float(), output.float(), rtol=0.02, atol=0.02)
            torch.testing.assert_close(losses[lane], loss, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_model_with_the_function_is_proven_and_trains(name):
    t = short(lambda c: Through(name))
    kind(t)
    with Isolated() as isolated:
        ours = runs(t, LANES, isolated)
        together(ours, range(2))
        assert all(tensor.dtype != torch.bfloat16 for run in ours for tensor in run.model.state_dict().values())


@pytest.mark.parametrize("name", ["mlp", "normed", "cnn", "transformer"])
def test_lanes_learn_what_separate_runs_learn(name):
    t = short(MODELS[name])
    with Isolated() as isolated:
        ours, theirs, exact = (
            runs(t, LANES, isolated),
            runs(t, LANES, isolated),
            runs(task(MODELS[name]), LANES, isolated),
        )
        fused, plain, whole = together(ours, range(5)), apart(theirs, range(5)), apart(exact, range(5))
    assert curve_gap(plain, whole) > 0  # it is in short precision
    assert curve_gap(fused, plain) < 0.02


def test_the_uses_of_a_weight_add_up_in_the_type_in_which_they_do_alone():
    class Repeated(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x):
            for _ in range(6):
                x = self.body(x).tanh()
            return self.head(x)

    t = short(lambda c: Repeated())
    kind(t)
    with Isolated() as isolated:
        ours, theirs = (runs(t, LANES, isolated) for _ in range(2))
        population = Population(ours)
        population.gradients(next(population.begin([0] * 3)))
        for lane, run in enumerate(theirs):
            next(run.steps(0))
            alone, own = run.model.body.weight.grad, population.gradient("body.weight")[lane]
            assert torch.equal(alone, alone.bfloat16().float())
            assert torch.equal(own, own.bfloat16().float())
            torch.testing.assert_close(own, alone, rtol=0.1, atol=float(alone.abs().max()) / 30)


def test_of_the_thirty_modules_those_that_fuse_in_mixed_precision_do_so_by_proof():
    fused = set()
    for module in REAL_MODULES:
        data = module.batch(torch.Generator().manual_seed(0))
        t = ct.Task(model=module.build, data=data, loss=module.loss, epochs=2, device="cpu", amp=True)
        try:
            kind(t, {"hidden": 16, "dropout": 0.2})
        except Unfusable:
            continue
        except RuntimeError:  # it does not train in mixed precision at all
            continue
        fused.add(module.name)
    assert fused <= {module.name for module in REAL_MODULES if module.fuses}
    assert len(fused) >= 17


def test_recurrent_layers_are_refused_with_their_line():
    with pytest.raises(Unfusable, match=r"line \d+ of .* uses recurrent layers in mixed precision"):
        kind(short(MODELS["gru"]))


def test_what_autocast_does_is_asked_without_a_trace():
    t = short(MODELS["normed"])
    with Isolated() as isolated:
        population = Population(runs(t, LANES, isolated))
        before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002
        population.train_epoch([0] * len(LANES))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
        assert np.random.get_state(legacy=False)["state"]["pos"] == before[2]  # noqa: NPY002
    assert not torch.is_autocast_enabled("cpu")


def test_a_lane_whose_output_has_another_type_than_alone_is_refused():
    """A model that asks whether it is in a lane, as no honest model does."""

    class Telling(nn.Linear):
        def forward(self, x):
            output = super().forward(x)
            is_lane = torch._C._functorch.is_batchedtensor(x)
            return output.float() if is_lane else output

    with pytest.raises(Unfusable, match="the output in mixed precision is torch.float32 in a lane, and torch.bfloat16"):
        kind(short(lambda c: Telling(64, 10)))


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cuda_devices_without_bfloat16_scale_their_losses(monkeypatch, has_bfloat16, expected):
    from cotune.training.step import short_float

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bfloat16)
    assert short_float(torch.device("cuda")) == expected
    assert short_float(torch.device("cpu")) == torch.bfloat16


def test_runs_that_scale_their_losses_train_by_themselves():
    with Isolated() as isolated:
        run = Run(short(), LANES[0], isolated=isolated)
        assert not run.scales_loss
        run.scales_loss = True
        with pytest.raises(Unfusable, match="scales losses"):
            Kinds().of(run, lambda seed, config: run, isolated.seed)


def test_a_search_in_mixed_precision_is_fused():
    space = {"learning_rate": ct.Float(1e-3, 1e-1, log=True), "hidden": ct.Int(8, 32)}
    with ct.Study(
        ct.Task(
            model=lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.ReLU(), nn.Linear(c.hidden, 10)),
            data=(X, Y), loss=nn.CrossEntropyLoss(), metrics=["accuracy", "f1"], epochs=4, device="cpu", amp=True,
        ),
        space, executor=ct.Fused(lanes=4), strategy="random", seed=1,
    ) as study:  # fmt: skip
        study.optimize(trials=6, progress=False)
        assert len(study.trials) == 6
        assert study.best.value > 0.3
        assert next(study.best.model().parameters()).dtype == torch.float32
