"""Small runs on the digits, to be trained as lanes and by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cotune.training as ct
from cotune import Config
from cotune.training import Isolated, Run
from cotune.training.checkpoint import encode
from cotune.training.fused import EXACT, Form, Population

X, Y = (part[:96] for part in ct.data.digits())


def mlp(c: Config) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def wide(c: Config) -> nn.Module:
    """So many numbers that each lane is updated by itself."""
    return nn.Sequential(nn.Linear(64, 70), nn.ReLU(), nn.Linear(70, 10))


def normed(c: Config) -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(c.get("dropout", 0.0)), nn.Linear(16, 10)
    )


def cnn(c: Config) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


class Rows(nn.Module):
    """A GRU reads the eight rows of a digit."""

    def __init__(self, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.gru = nn.GRU(8, hidden, num_layers=2 if dropout else 1, dropout=dropout, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x.view(-1, 8, 8))[0][:, -1])


class Attending(nn.Module):
    """A transformer's layer over the eight rows of a digit."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x.view(-1, 8, 8)).mean(1))


class One(nn.Module):
    """A single output, so that some tensors hold one number per lane."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.scale = nn.Linear(64, 5), nn.Linear(5, 1), nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.body(x))) * self.scale


class Tempered(nn.Module):
    """Logits with a learned temperature, a single number."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.temperature = nn.Linear(64, 10), nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) * torch.sigmoid(self.temperature)


def odd(c: Config) -> nn.Module:
    """Every width is odd, or no multiple of four."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(5, 7), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, 10),
    )  # fmt: skip


MODELS = {
    "mlp": mlp,
    "wide": wide,
    "normed": normed,
    "cnn": cnn,
    "gru": lambda c: Rows(12),
    "transformer": lambda c: Attending(c.dropout),
    "one_output": lambda c: One(),
}


def task(model: Any = mlp, *, precise: bool = False, **changes: Any) -> ct.Task:
    """Up to 60 epochs of 5 steps. precise: in double precision, with `runs(precise=True)`."""
    given = {
        "model": model, "data": (X.double() if precise else X, Y), "loss": nn.CrossEntropyLoss(),
        "metrics": ["accuracy"], "epochs": 60, "device": "cpu",
    }  # fmt: skip
    return ct.Task(**(given | changes))


def runs(
    t: ct.Task, configs: Sequence[Mapping[str, Any]], isolated: Isolated, *, precise: bool = False, first_seed: int = 0
) -> list[Run]:
    """A run per configuration; run i has the seed `first_seed` + i."""
    made = [
        Run(t, {"batch_size": 16, **c}, isolated=isolated, seed=first_seed + i, split_seed=0)
        for i, c in enumerate(configs)
    ]
    for run in made if precise else []:
        run.model.double()
    return made


def together(members: Sequence[Run], epochs: Sequence[int], form: Form = EXACT) -> list[list[dict[str, float]]]:
    """Trains these epochs in one population; per run, every epoch's metrics."""
    population = Population(members, form)
    curves = [population.train_epoch([epoch] * len(members)) for epoch in epochs]
    population.release()
    return [list(curve) for curve in zip(*curves, strict=True)]


def apart(members: Sequence[Run], epochs: Sequence[int]) -> list[list[dict[str, float]]]:
    """Trains these epochs run by run."""
    return [[run.train_epoch(epoch) for epoch in epochs] for run in members]


def gap(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """The largest difference between parameters and buffers of two lists of runs."""
    return max(
        float((a.double() - b.double()).abs().max())
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    )


def curve_gap(ours: Sequence[Any], theirs: Sequence[Any], name: str = "loss") -> float:
    """The largest difference between two lists of curves, relative above 1."""
    pairs = [(a[name], b[name]) for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y, strict=True)]
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in pairs)


def bits(run: Run) -> bytes:
    """Weights, buffers, optimiser, schedule and best epoch."""
    return encode(run.state_dict())
