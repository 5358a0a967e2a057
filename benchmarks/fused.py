"""What a step of one trial costs when many trials train as lanes of one vectorised pass.

Against it stand two loops over one trial after another: a well-written one (data in memory as tensors, torch's
one-kernel optimisers) and the one that people write (a DataLoader, the optimiser's defaults). Every lane has a data
order, a learning rate and a weight decay of its own. CPU time, one thread, windows of all three interleaved; the ratios
are of the minima, because other load only ever adds. Run `python -m benchmarks.fused`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop
from torch.utils.data import DataLoader, TensorDataset

import cotune.training as ct
from benchmarks.results import write
from cotune.training import Isolated, Run
from cotune.training.fused import Population

LANES = (4, 16, 64)
LEARNING_RATE = 1e-3
OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "adam": (Adam, {}),
    "sgd": (SGD, {"momentum": 0.9}),
    "rmsprop": (RMSprop, {}),
}


class Gru(nn.Module):
    """Reads the eight rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(8, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x.view(-1, 8, 8))[0][:, -1])


class Transformer(nn.Module):
    """Two layers over the eight rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.positions = nn.Linear(8, 32), nn.Parameter(0.02 * torch.randn(8, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.project(x.view(-1, 8, 8)) + self.positions).mean(1))


def mlp(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 10))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))


def cnn(size: int) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, size, size)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * (size // 4) ** 2, 10),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained. size: digits have size x size pixels. amp: in mixed precision, all three."""

    name: str
    model: Callable[[], nn.Module]
    optimizer: str = "adam"
    batch: int = 32
    size: int = 8
    lanes: tuple[int, ...] = LANES
    amp: bool = False

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Of a batch, by itself."""
        if not self.amp:
            return F.cross_entropy(model(x), y)
        with torch.autocast(x.device.type, torch.bfloat16):
            return F.cross_entropy(model(x), y)


CASES = (
    Case("mlp 64-128-10", lambda: mlp(64)),
    Case("mlp 64-128-10", lambda: mlp(64), "sgd"),
    Case("mlp 64-128-10", lambda: mlp(64), "rmsprop"),
    Case("mlp 64-128-10", lambda: mlp(64), batch=128),
    Case("mlp with batch norm and dropout", normed),
    Case("mlp 784-128-10", lambda: mlp(784), size=28),
    Case("gru 8-64 over 8 steps", Gru),
    Case("cnn 16-32 on 8x8", lambda: cnn(8)),
    Case("transformer d32 of 2 layers over 8 tokens", Transformer),
    Case("cnn 16-32 on 28x28", lambda: cnn(28), size=28, lanes=(4, 16)),
    Case("mlp 64-128-10 in mixed precision", lambda: mlp(64), amp=True),
    Case("mlp 64-128-10 in mixed precision", lambda: mlp(64), batch=128, amp=True),
    Case("cnn 16-32 on 8x8 in mixed precision", lambda: cnn(8), amp=True),
    Case("transformer d32 of 2 layers in mixed precision", Transformer, amp=True),
)


def digits(size: int) -> tuple[Tensor, Tensor]:
    x, y = ct.data.digits()
    if size != 8:
        x = F.interpolate(x.view(-1, 1, 8, 8), size=size, mode="bilinear").flatten(1)
    return x, y


def fused(case: Case, task: ct.Task, n_lanes: int, isolated: Isolated) -> Iterator[None]:
    """Steps of all lanes, epoch after epoch."""
    configs = [
        {
            "optimizer": case.optimizer, "batch_size": case.batch, "momentum": 0.9 if case.optimizer == "sgd" else 0.0,
            "learning_rate": LEARNING_RATE * (1 + lane / n_lanes), "weight_decay": 1e-4 * lane / n_lanes,
        }
        for lane in range(n_lanes)
    ]  # fmt: skip
    runs = [Run(task, config, isolated=isolated, seed=lane) for lane, config in enumerate(configs)]
    return steps_of(Population(runs))


def steps_of(population: Population) -> Iterator[None]:
    """Epoch after epoch."""
    for epoch in itertools.count():
        for tick in population.begin([epoch] * len(population.runs)):
            population.step(tick)
            yield


def optimizer(case: Case, model: nn.Module, *, one_kernel: bool) -> Optimizer:
    kind, options = OPTIMIZERS[case.optimizer]
    if one_kernel and kind is not RMSprop:
        options = {**options, "fused": True}
    return kind(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4, **options)


def sequential(case: Case, x: Tensor, y: Tensor) -> Iterator[None]:
    """Steps of the well-written loop, where the data is."""
    model = case.model().to(x.device)
    update, draw = optimizer(case, model, one_kernel=True), torch.Generator().manual_seed(0)
    while True:
        for rows in torch.randperm(len(x), generator=draw).to(x.device).split(case.batch):
            update.zero_grad(set_to_none=True)
            case.loss(model, x.index_select(0, rows), y.index_select(0, rows)).backward()
            update.step()
            yield


def usual(case: Case, x: Tensor, y: Tensor) -> Iterator[None]:
    """Steps of the loop with a DataLoader."""
    model = case.model()
    update, loader = optimizer(case, model, one_kernel=False), DataLoader(TensorDataset(x, y), case.batch, shuffle=True)
    while True:
        for inputs, target in loader:
            update.zero_grad()
            case.loss(model, inputs, target).backward()
            update.step()
            yield


def microseconds(steps: Iterator[None], seconds: float) -> float:
    """CPU time of a step, over a window of at least so many seconds."""
    start, spent, n = time.process_time(), 0.0, 0
    while spent < seconds:
        next(steps)
        n += 1
        spent = time.process_time() - start
    return 1e6 * spent / n


def measure(case: Case, n_lanes: int, *, windows: int, seconds: float) -> dict[str, Any]:
    """seconds: the least that a window takes."""
    data = digits(case.size)
    task = ct.Task(
        model=lambda config: case.model(),
        data=data,
        loss=nn.CrossEntropyLoss(),
        epochs=1000,
        device="cpu",
        amp=case.amp,
    )
    rows = task.splits(seed=0, split_seed=0, device=torch.device("cpu")).train.rows
    x, y = (part[rows] for part in data)
    with Isolated() as isolated:
        isolated.seed(0)
        rivals = (fused(case, task, n_lanes, isolated), sequential(case, x, y), usual(case, x, y))
        for steps in rivals:
            next(steps)  # what is made once, and not at every step
        times = [[microseconds(steps, seconds) for steps in rivals] for _ in range(windows)]
    lanes, one, usual_one = ([window[rival] for window in times] for rival in range(3))
    lanes = [window / n_lanes for window in lanes]
    return {
        "case": case.name, "optimizer": case.optimizer, "batch": case.batch, "lanes": n_lanes,
        "us_per_step_fused": f"{min(lanes):.1f}", "us_sequential": f"{min(one):.1f}",
        "us_dataloader": f"{min(usual_one):.1f}", "ratio": f"{min(one) / min(lanes):.2f}",
        "ratio_dataloader": f"{min(usual_one) / min(lanes):.2f}",
        "us_per_step_fused_median": f"{statistics.median(lanes):.1f}",
        "us_sequential_median": f"{statistics.median(one):.1f}",
        "us_dataloader_median": f"{statistics.median(usual_one):.1f}",
        "ratio_median": f"{statistics.median(one) / statistics.median(lanes):.2f}",
        "windows": windows, "torch": torch.__version__,
    }  # fmt: skip


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """quick: two cases of four lanes in tiny windows, to see that it works."""
    if quick:
        return [measure(case, 4, windows=1, seconds=0.002) for case in (CASES[0], CASES[6])]
    return [measure(case, n, windows=15, seconds=0.04) for case in CASES for n in case.lanes]


def main(quick: bool = False) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measured = rows(quick=quick)
    finally:
        torch.set_num_threads(threads)
    if quick:
        print(*measured, sep="\n")
    else:
        write("fused", measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two cases in tiny windows; results are printed only")
    main(parser.parse_args().quick)
