"""The demo's network on the digits: `auto` against random search with the same number of epochs, over 20 seeds.

Random search trains 40 configs to their ends. Scored by the validation loss of the winner; the difference is paired by
seed. Bar: its 95 % interval is below 0. And by the share of those epochs after which `auto` had seen a loss, after any
epoch of any trial, as low as the lowest that random search saw. Bar: a quarter, in the median. The objective of the
study is that loss.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch

import cotune as ct
from benchmarks import results
from cotune.cli.demo import digits_space, digits_task
from cotune.records import History

SEEDS, TRIALS, EPOCHS = range(20), 40, 10
BAR_SHARE = 0.25


def searched(strategy: str, seed: int) -> ct.Study:
    """One study that trains all epochs."""
    task = replace(digits_task(EPOCHS), metrics=["loss", "accuracy"])
    study = ct.Study(task, digits_space(), strategy=strategy, seed=seed)
    return study.optimize(total_epochs=TRIALS * EPOCHS, progress=False)


def lowest_losses(history: History) -> list[tuple[int, float]]:
    """(epochs trained, lowest loss of any epoch so far), for every time that a trial paused or ended."""
    trained, known, lowest, found = 0, defaultdict[int, int](int), np.inf, []
    for number, step, has_failed in history.arrivals:
        trained += step - known[number]
        known[number] = step
        if not has_failed:
            lowest = min(lowest, *history.loss_curve(number, step))
        found.append((trained, float(lowest)))
    return found


def interval(differences: np.ndarray) -> tuple[float, float]:
    """A bootstrap interval of 95 % of the mean."""
    random = np.random.default_rng(0)
    means = random.choice(differences, (10_000, len(differences))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for seed in SEEDS:
        auto, random = searched("auto", seed), searched("random", seed)
        total, goal = lowest_losses(random.history)[-1]
        reached = next((trained for trained, loss in lowest_losses(auto.history) if loss <= goal), np.inf)
        rows.append({
            "seed": seed, "epochs": total, "auto": auto.best.value, "random": random.best.value,
            "trials_of_auto": len(auto.trials), "share_of_epochs": reached / total,
        })  # fmt: skip
        print(rows[-1], flush=True)
    differences = np.array([row["auto"] - row["random"] for row in rows])
    low, high = interval(differences)
    rows.append({
        "seed": "mean, median share", "epochs": TRIALS * EPOCHS, "auto": float(np.mean([row["auto"] for row in rows])),
        "random": float(np.mean([row["random"] for row in rows])),
        "trials_of_auto": float(np.mean([row["trials_of_auto"] for row in rows])),
        "share_of_epochs": float(np.median([row["share_of_epochs"] for row in rows])),
        "low": low, "high": high, "bar_high": 0.0, "bar_share": BAR_SHARE,
    })  # fmt: skip
    results.write("demo", [{"low": "", "high": "", "bar_high": "", "bar_share": "", **row} for row in rows])


if __name__ == "__main__":
    main()
