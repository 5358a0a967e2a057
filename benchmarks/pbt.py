"""Population based training on the digits: what it finds, what it costs, and how long Ray Tune's takes.

Every search has 16 trials of 20 epochs, of a network with 64 hidden units.

found: the validation loss at the end, against the best constant learning rate that the same number of epochs finds, by
evenly spread rates and by Bayesian optimisation; paired by seed, 20 seeds. Bar: the 95 % interval of the difference is
below 0. And against Bayesian optimisation of a schedule in the space (`ct.scheduled_rate`). Beside it the loss of a
fresh model, trained by the schedule or with the constant rate, and the winner's sealed test loss.

cost: CPU of a fused population over that of one training, well written or with a DataLoader, validation after every
epoch included; minima of interleaved repeats. Bars: 6 and 3.

ray: seconds of Ray Tune's population based training on all cores over those of ours on one, Ray's start not counted.
Bar: 5. Run `python -m benchmarks.pbt found,cost,ray`.

Seeds 100 to 111 were looked at before; these are reported on none of them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cotune as ct
from benchmarks import results, rivals
from benchmarks.demo import interval

SEEDS, MEMBERS, EPOCHS, WIDTH, BATCH = range(20), 16, 20, 64, 32
RANGES = {"adam": (1e-4, 1e-1), "sgd": (1e-3, 1.0)}
REPEATS = 12
WAYS = ("population", "spread rates", "bayesian", "schedule in the space")


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))


def task() -> ct.Task:
    return ct.Task(
        model=lambda config: network(), data=ct.data.digits(), loss=nn.CrossEntropyLoss(), metrics=["loss", "accuracy"],
        epochs=EPOCHS, test=0.2, device="cpu",
    )  # fmt: skip


def searched(optimizer: str, seed: int, way: str = "population") -> ct.Study:
    """One search; its learning rate changes while trials train, follows a schedule of the space, or is constant."""
    low, high = RANGES[optimizer]
    fixed = {"optimizer": [optimizer], **({"momentum": [0.9]} if optimizer == "sgd" else {})}
    rates = {
        "population": {"learning_rate": ct.Float(low, high, log=True, schedule=True)},
        "schedule in the space": ct.scheduled_rate(low, high),
    }  # fmt: skip
    rate = rates.get(way, {"learning_rate": ct.Float(low, high, log=True)})
    learns = way in ("bayesian", "schedule in the space")  # so one trial at a time
    study = ct.Study(
        task(), ct.Space({**fixed, **rate}), minimize="loss", seed=seed, strategy="bayesian" if learns else "sobol",
        scheduler=ct.PBT(MEMBERS) if way == "population" else "none",
        executor=ct.Inline() if learns else ct.Fused(MEMBERS),
    )  # fmt: skip
    return study.optimize(trials=MEMBERS, progress=False)


def found() -> list[dict[str, Any]]:
    """A row per optimiser, rival and seed, and one with the means and the interval."""
    rows = []
    for optimizer in RANGES:
        table: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
        for seed in SEEDS:
            for way in WAYS:
                best = searched(optimizer, seed, way).best
                again = ct.fit(task(), best.schedule, seed=1000 + seed).metrics["loss"]
                table[way].append((best.value, again, best.test()["loss"]))
                rows.append({"optimizer": optimizer, "way": way, "seed": seed, **_named(table[way][-1])})
                print(rows[-1], flush=True)
        ours = np.array(table["population"])
        for way in WAYS[1:]:
            difference = ours - np.array(table[way])
            for at, what in enumerate(_named(ours[0])):
                low, high = interval(difference[:, at])
                rows.append({
                    "optimizer": optimizer, "way": f"population - {way}", "seed": f"mean of {what}",
                    what: float(difference[:, at].mean()), "low": low, "high": high, "bar_high": 0.0,
                })  # fmt: skip
    names = ["optimizer", "way", "seed", "loss", "fresh_loss", "test_loss", "low", "high", "bar_high"]
    return [{name: row.get(name, "") for name in names} for row in rows]


def _named(values: Any) -> dict[str, float]:
    return dict(zip(("loss", "fresh_loss", "test_loss"), map(float, values), strict=True))


def parts() -> dict[str, Tensor]:
    """Training and validation samples, as in the task."""
    splits = task().splits(seed=0, split_seed=0, device=torch.device("cpu"))
    x, y = ct.data.digits()
    train, held = splits.train.rows, splits.validation.rows
    return {"x": x[train], "y": y[train], "held_x": x[held], "held_y": y[held]}


def training(batches: Callable[[], Iterator[tuple[Tensor, Tensor]]], *, one_kernel: bool) -> None:
    """One network trained to its end."""
    data, model, loss = parts(), network(), nn.CrossEntropyLoss()
    update = torch.optim.Adam(model.parameters(), lr=1e-3, **({"fused": True} if one_kernel else {}))
    for _ in range(EPOCHS):
        model.train()
        for x, y in batches():
            update.zero_grad(set_to_none=True)
            loss(model(x), y).backward()
            update.step()
        model.eval()
        with torch.inference_mode():
            loss(model(data["held_x"]), data["held_y"]).item()


def well_written() -> None:
    data = parts()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(data["x"])).split(BATCH):
            yield data["x"].index_select(0, rows), data["y"].index_select(0, rows)

    training(batches, one_kernel=True)


def usual() -> None:
    data = parts()
    loader = DataLoader(TensorDataset(data["x"], data["y"]), BATCH, shuffle=True)
    training(lambda: iter(loader), one_kernel=False)


def cost() -> list[dict[str, Any]]:
    """CPU seconds of a population and of one training."""
    ways = {"population": lambda: searched("adam", 0), "one, well written": well_written,
            "one, with a DataLoader": usual}  # fmt: skip
    for way in ways.values():
        way()  # what is loaded once
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            spent[name].append(time.process_time() - begun)
    ours = min(spent["population"])
    bars = {"population": "", "one, well written": 6.0, "one, with a DataLoader": 3.0}
    return [
        {"way": name, "cpu_s": min(times), "median_cpu_s": statistics.median(times),
         "population_costs": ours / min(times), "bar": bars[name]}
        for name, times in spent.items()
    ]  # fmt: skip


def against_ray() -> list[dict[str, Any]]:
    """Seconds on the clock."""
    low, high = RANGES["adam"]
    rates = np.geomspace(low, high, MEMBERS).tolist()
    searched("adam", 0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "digits.npz"
        np.savez(file, **{name: part.numpy() for name, part in parts().items()})
        asked = {"data": str(file), "width": WIDTH, "batch": BATCH, "rates": rates, "epochs": EPOCHS, "every": 2}
        rows = []
        for seed in range(3):
            begun = time.monotonic()
            ours = searched("adam", seed)
            our_s = time.monotonic() - begun
            theirs = rivals.ask("ray_tune", "population", **asked)
            rows.append({
                "run": seed, "rival": f"ray tune {rivals.version_of('ray_tune')}", "ours_s": our_s,
                "rival_s": theirs["seconds"], "ratio": theirs["seconds"] / our_s, "bar": 5.0,
                "ours_loss": ours.best.value, "rival_loss": theirs["loss"], "rival_trials": theirs["trials"],
            })  # fmt: skip
            print(rows[-1], flush=True)
    return rows


PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {"found": found, "cost": cost, "ray": against_ray}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="?", default="found,cost,ray", help=", ".join(PARTS))
    torch.set_num_threads(1)
    for part in parser.parse_args().parts.split(","):
        results.write(f"pbt_{part}", PARTS[part]())


if __name__ == "__main__":
    main()
