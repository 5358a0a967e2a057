"""What may be done to units whose number differs from lane to lane: what leaves zeros alone, and nothing else."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotune.training import Isolated
from training.fused.lanes import apart, curve_gap, gap, runs, task
from training.fused.test_widths import Reading, census, grouped, train

CONFIGS = [{"hidden": hidden, "batch_size": 16, "dropout": 0.3} for hidden in (20, 33, 50, 64)]


class PlusOne(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(h):
        return h + 1.0

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(_ctx, gradient):
        return gradient


def hooked(c):
    net = Reading(c.hidden, lambda net, h: h)
    net.first.register_forward_hook(lambda _module, _inputs, output: output + 0.3)
    return net


def tried(_net, h):
    try:
        return torch.sigmoid(h)
    except Exception:  # noqa: BLE001 - as people write it
        return h


class Normed(nn.Module):
    def __init__(self, hidden, **options):
        super().__init__()
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden, 10)
        self.norm = nn.BatchNorm1d(hidden, **options)

    def forward(self, x):
        return self.second(F.relu(self.norm(self.first(x))))


class Pooled(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv, self.inner, self.head = nn.Conv2d(1, n, 3), nn.Conv2d(n, n, (3, 2), padding=1), nn.Linear(n, 10)

    def forward(self, x):
        h = F.avg_pool2d(F.mish(self.conv(x.view(-1, 1, 8, 8))), 2)
        return self.head(F.relu(self.inner(input=h)).mean((2, 3)))


LEFT_ALONE = {
    "product": lambda net, h: h * h,
    "mean of samples": lambda net, h: h * h.mean(0, keepdim=True) - h.mean(0),
    "sum by name": lambda net, h: h * h.sum(dim=0, keepdim=True),
    "relu by name": lambda net, h: F.relu(input=h),
    "dropout by name": lambda net, h: F.dropout(h, p=0.3, training=net.training),
    "elu": lambda net, h: F.elu(h, alpha=2.0) + F.celu(h) + F.selu(h) + F.hardswish(h) + F.relu6(h),
    "sum": lambda net, h: torch.add(h, -h, alpha=0.5),
    "number": lambda net, h: h * torch.tensor(1.5) / 3,
    "view": lambda net, h: h.contiguous().view(h.size(0), -1),
}
REFUSED = {
    "a function of one's own": lambda net, h: PlusOne.apply(h),
    "pooled over units": lambda net, h: h * (1 + F.avg_pool1d(h, 3, 1, 1)),
    "printed shape": lambda net, h: h * len(repr(h.shape)),
    "aten": lambda net, h: torch.ops.aten.sigmoid.default(h),
    "tried and given up": tried,
    "transformed": lambda net, h: h * (1 + torch.func.vmap(lambda row: row.mean() * 0)(h)[:, None]),
    "exp": lambda net, h: h.exp(),
    "clamp": lambda net, h: h.clamp(0.1),
    "zeros like it": lambda net, h: h + torch.zeros_like(h),
    "new ones": lambda net, h: h + h.new_ones(h.shape),
    "length": lambda net, h: h * len(h[0]),
    "stride": lambda net, h: h * h.stride(0),
    "number of elements": lambda net, h: h / h.nelement(),
    "unpacked shape": lambda net, h: h / tuple(h.shape)[1],
    "size": lambda net, h: h / h.size()[-1],
    "number plus": lambda net, h: 1 + h,
    "minus number": lambda net, h: h - 0.5,
    "number through": lambda net, h: 1 / (h + 1),
    "sum into what is not filled up": lambda net, h: torch.zeros(1, 1).add(h),
    "mean of all": lambda net, h: h * h.mean(),
    "sum over units": lambda net, h: h * h.sum(dim=1, keepdim=True),
    "mean over an axis": lambda net, h: h * h.mean(axis=1, keepdim=True),
    "flattened samples": lambda net, h: h.flatten().view(-1, h.shape[-1]),
    "rows": lambda net, h: torch.stack(list(h)),
    "index": lambda net, h: h[:],
    "detached": lambda net, h: h.detach() * 0.1 + h,
    "tensor of it": lambda net, h: torch.as_tensor(h) + 0.1,
    "copy": lambda net, h: h.clone() + 0.1,
    "masked": lambda net, h: h.masked_fill(h == 0, 0.1),
    "norm": lambda net, h: F.normalize(h),
    "largest": lambda net, h: h * h.max(),
}
MODELS = {
    "batch norm without weights": lambda c: Normed(c.hidden, affine=False),
    "batch norm of the batch": lambda c: Normed(c.hidden, track_running_stats=False),
    "pooled": lambda c: Pooled(c.hidden // 4),
    **{name: lambda c, use=use: Reading(c.hidden, use) for name, use in LEFT_ALONE.items()},
}


def searched(model):
    t = task(lambda c: model(c).double(), precise=True, epochs=1)
    return t, census(t, CONFIGS, largest=64)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_leaves_zeros_alone_is_filled_up_and_trains_as_alone(model):
    t, known = searched(model)
    with Isolated() as isolated:
        ours, theirs = runs(t, CONFIGS, isolated), runs(t, CONFIGS, isolated)
        assert all(kind.form.padding for kind in grouped(t, ours, isolated, known))
        assert curve_gap(train(t, ours, isolated, 1, known), apart(theirs, range(1))) <= 1e-6
        assert gap(ours, theirs) <= 1e-9


@pytest.mark.parametrize(
    "model", [hooked, *(lambda c, use=use: Reading(c.hidden, use) for use in REFUSED.values())], ids=["hook", *REFUSED]
)
def test_nothing_else_may_be_done_to_it(model):
    t, known = searched(model)
    with Isolated() as isolated:
        found = grouped(t, runs(t, CONFIGS[:1], isolated), isolated, known)
    assert not any(kind.form.padding for kind in found)
