"""What `cotune.training.fit` costs beside a plain PyTorch loop, and whether it gives the same weights.

Both train the 64-128-10 network on the bundled digits (batch 32, Adam, 15 epochs), with loss, accuracy, F1 and AUC on
the validation part after every epoch. CPU time, one thread, alternating windows. Run `python benchmarks/fit.py`.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

import cotune.training as ct
from cotune import seeds
from cotune.seeds import Purpose
from cotune.training.metrics import accuracy, auc, f1

EPOCHS, BATCH, SEED = 15, 32, 3


def network(config: object = None) -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def plain(train: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]) -> nn.Module:
    x, y = train
    x_held, y_held = held
    torch.manual_seed(seeds.integer(SEED, Purpose.INIT))
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for epoch in range(EPOCHS):
        draw = torch.Generator().manual_seed(seeds.integer(SEED, Purpose.ORDER, epoch))
        order = torch.randperm(len(x), generator=draw)
        model.train()
        total = torch.zeros(())
        for rows in order.split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            value = loss(model(x.index_select(0, rows)), y.index_select(0, rows))
            value.backward()
            optimizer.step()
            total += value.detach() * len(rows)
        model.eval()
        with torch.inference_mode():
            output = model(x_held)
            [float(f(output, y_held)) for f in (loss, accuracy, f1, auc)]
        float(total) / len(x)
    return model


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def measure(windows: int, repeats: int) -> dict[str, object]:
    task = ct.Task(
        model=network,
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1", "auc"],
        epochs=EPOCHS,
        device="cpu",
    )
    parts = task.splits(seed=SEED, split_seed=0, device=torch.device("cpu"))
    x, y = ct.data.digits()
    train, held = ((x[part.rows], y[part.rows]) for part in (parts.train, parts.validation))
    ours, theirs = ct.fit(task, {}, seed=SEED).model, plain(train, held)
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    difference = max(float((a - b).abs().max().detach()) for a, b in pairs)
    cotune_s, plain_s = [], []
    for _ in range(windows):
        cotune_s.append(cpu_seconds(lambda: ct.fit(task, {}, seed=SEED), repeats))
        plain_s.append(cpu_seconds(lambda: plain(train, held), repeats))
    fitted, looped = statistics.median(cotune_s), statistics.median(plain_s)
    return {
        "version": version("cotune"),
        "torch": torch.__version__,
        "cotune_s": f"{fitted:.4f}",
        "plain_s": f"{looped:.4f}",
        "ratio": f"{fitted / looped:.4f}",
        "windows": windows,
        "max_abs_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=11)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fit.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    row = measure(arguments.windows, arguments.repeats)
    print(*(f"{name:>20} {value}" for name, value in row.items()), sep="\n")
    arguments.out.parent.mkdir(exist_ok=True)
    with arguments.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
