"""The demo's network on the digits: `auto` against random search with the same number of trials, over 20 seeds.

Scored by the lowest validation loss among the trials; the difference is paired by seed. Bar: its 95 % interval is below
0. The objective of the study is that loss.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

import cotune as ct
from benchmarks import results
from cotune.cli.demo import digits_space, digits_task

SEEDS, TRIALS, EPOCHS = range(20), 40, 10


def lowest_loss(strategy: str, seed: int) -> float:
    """The best validation loss of one study."""
    task = replace(digits_task(EPOCHS), metrics=["loss", "accuracy"])
    study = ct.Study(task, digits_space(), strategy=strategy, seed=seed)
    study.optimize(trials=TRIALS, progress=False)
    return study.best.value


def interval(differences: np.ndarray) -> tuple[float, float]:
    """A bootstrap interval of 95 % of the mean."""
    random = np.random.default_rng(0)
    means = random.choice(differences, (10_000, len(differences))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for seed in SEEDS:
        auto, random = (lowest_loss(strategy, seed) for strategy in ("auto", "random"))
        rows.append({"seed": seed, "trials": TRIALS, "epochs": EPOCHS, "auto": auto, "random": random})
        print(rows[-1], flush=True)
    differences = np.array([row["auto"] - row["random"] for row in rows])
    low, high = interval(differences)
    rows.append({
        "seed": "mean", "trials": TRIALS, "epochs": EPOCHS, "auto": float(np.mean([row["auto"] for row in rows])),
        "random": float(np.mean([row["random"] for row in rows])), "low": low, "high": high, "bar_high": 0.0,
    })  # fmt: skip
    results.write("demo", [{"low": "", "high": "", "bar_high": "", **row} for row in rows])


if __name__ == "__main__":
    main()
