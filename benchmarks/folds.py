"""Cross-validation as lanes: 16 trials of 5 folds trained together, against 80 well-written trainings one by one.

Digits, a network of 64-128-10, batches of 32, Adam, 10 epochs. The search is whole (log, checkpoints, metrics after
every epoch, standard errors); the trainings are loops by hand over tensors in memory with torch's one-kernel optimiser.
CPU time, one thread, in turns; the least of `ROUNDS` counts. Bar: at most 0.45. `largest_gap`: how far any metric of
any trial in lanes is from the same trial one fold after another, in double precision. Bar: 1e-9.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cotune as ct
from benchmarks import results

TRIALS, FOLDS, EPOCHS, BATCH, ROUNDS = 16, 5, 10, 32, 3
SPACE = {"learning_rate": ct.Float(1e-4, 1e-2, log=True), "batch_size": [BATCH], "optimizer": ["adam"]}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def searched(executor: Any, *, epochs: int = EPOCHS, dtype: torch.dtype = torch.float32) -> ct.Study:
    x, y = ct.data.digits()
    task = ct.Task(
        model=lambda config: mlp().to(dtype), data=(x.to(dtype), y), loss=nn.CrossEntropyLoss(), metrics="accuracy",
        epochs=epochs, validation=ct.KFold(FOLDS),
    )  # fmt: skip
    study = ct.Study(task, SPACE, strategy="random", scheduler="none", executor=executor)
    return study.optimize(trials=TRIALS, progress=False)


def by_hand() -> None:
    x, y = ct.data.digits()
    folds = torch.arange(len(x)) % FOLDS
    for trial in range(TRIALS):
        for fold in range(FOLDS):
            train_one(
                1e-3 * (1 + trial / TRIALS), x[folds != fold], y[folds != fold], x[folds == fold], y[folds == fold]
            )


def train_one(rate: float, x: Tensor, y: Tensor, held_x: Tensor, held_y: Tensor) -> float:
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(held_x).argmax(1) == held_y).float().mean()
    return float(accuracy)


def cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def gap() -> float:
    together, alone = (
        searched(executor, epochs=3, dtype=torch.float64) for executor in (ct.Fused(lanes=TRIALS * FOLDS), "inline")
    )
    return max(
        abs(here.metrics[name] - there.metrics[name])
        for here, there in zip(together.trials, alone.trials, strict=True)
        for name in here.metrics
    )


def main() -> None:
    torch.set_num_threads(1)
    spent = [(cpu_s(lambda: searched(ct.Fused(lanes=TRIALS * FOLDS))), cpu_s(by_hand)) for _ in range(ROUNDS)]
    fused, separate = (min(column) for column in zip(*spent, strict=True))
    row = {
        "trials": TRIALS, "folds": FOLDS, "epochs": EPOCHS, "fused_s": fused, "separate_s": separate,
        "ratio": fused / separate, "bar": 0.45, "largest_gap": gap(),
    }  # fmt: skip
    results.write("folds", [row])


if __name__ == "__main__":
    main()
