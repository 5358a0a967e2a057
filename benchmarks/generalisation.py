"""Is the winner as good on samples that nobody has seen, and did the search help at all?

    python -m benchmarks.generalisation [--seeds 0-9] [--report]

Twelve small classification tables (four of scikit-learn's, eight generated ones with few samples and noisy labels),
50 trials each with a network of one hidden layer, ten seeds. A quarter of what is not sealed validates, the same for
all trials. Two ways to choose: the best observed trial, and the one that `study.confirm(top=5, seeds=5)` chooses. Each
chosen configuration, and the default one, is then trained on all that is not sealed with five seeds, and tested on the
sealed part. Also whether the confirmation's interval covers the sealed score of the chosen trial's own model. Runs that
stand in results/generalisation_runs.csv are not made again.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import nn

import cotune as ct
from benchmarks import results

RUNS = results.FOLDER / "generalisation_runs.csv"
TRIALS, EPOCHS, REFITS = 50, 30, 5
SPACE = ct.Space(
    learning_rate=ct.Float(1e-4, 1.0, log=True), weight_decay=ct.Float(1e-6, 1e-1, log=True),
    dropout=ct.Float(0.0, 0.6), hidden=ct.Categorical([4, 16, 64, 256]), batch_size=ct.Categorical([8, 32]),
    optimizer=ct.Categorical(["adam", "sgd"]),
    start=[{
        "learning_rate": 1e-3, "weight_decay": 1e-6, "dropout": 0.0, "hidden": 64, "batch_size": 32,
        "optimizer": "adam",
    }],
)  # fmt: skip
Table = tuple[np.ndarray, np.ndarray]


def generated(n: int, features: int, informative: int, noise: float, apart: float) -> Callable[[int], Table]:
    """seed -> a table with that share of labels drawn at random, and 2,000 more samples for the test."""

    def made(seed: int) -> Table:
        return datasets.make_classification(
            n + 2000, features, n_informative=informative, n_redundant=0, flip_y=noise, class_sep=apart,
            n_clusters_per_class=2, random_state=seed,
        )  # fmt: skip

    return made


def loaded(load: Callable[..., Table]) -> Callable[[int], Table]:
    return lambda seed: load(return_X_y=True)


def few(table: Callable[[int], Table], n: int) -> Callable[[int], Table]:
    return lambda seed: tuple(part[:n] for part in table(seed))


TABLES: dict[str, Callable[[int], Table]] = {
    "iris": loaded(datasets.load_iris), "wine": loaded(datasets.load_wine),
    "breast_cancer": loaded(datasets.load_breast_cancer), "digits": few(loaded(datasets.load_digits), 700),
    "moons": lambda seed: datasets.make_moons(2120, noise=0.35, random_state=seed),
    "circles": lambda seed: datasets.make_circles(2120, noise=0.25, factor=0.5, random_state=seed),
    "quantiles": lambda seed: datasets.make_gaussian_quantiles(
        n_samples=2200, n_features=6, n_classes=3, random_state=seed
    ),
    "easy": generated(150, 10, 5, 0.05, 1.5), "noisy": generated(150, 10, 5, 0.3, 1.0),
    "wide": generated(120, 40, 5, 0.1, 1.0), "hard": generated(200, 20, 10, 0.1, 0.7),
    "tiny": generated(80, 8, 4, 0.2, 1.0),
}  # fmt: skip
SEALED_SHARE = 0.5
"""Of scikit-learn's tables; of the generated ones 2,000 samples are sealed."""


def task_of(name: str, seed: int) -> ct.Task:
    x, y = TABLES[name](seed)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order].astype(np.int64)
    n = 2000 if len(x) > 2000 else round(SEALED_SHARE * len(x))
    x = (x - x[n:].mean(axis=0)) / (x[n:].std(axis=0) + 1e-9)
    n_features, n_classes = x.shape[1], int(y.max()) + 1

    def model(config: Any) -> nn.Module:
        return nn.Sequential(
            nn.Linear(n_features, config.hidden), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(config.hidden, n_classes),
        )  # fmt: skip

    return ct.Task(
        model=model, data=(x[n:], y[n:]), test=(x[:n], y[:n]), loss=nn.CrossEntropyLoss(), metrics="accuracy",
        epochs=EPOCHS, validation=0.25,
    )  # fmt: skip


def test_error(task: ct.Task, config: Any) -> float:
    whole = task.undivided()
    return 1 - float(np.mean([ct.fit(whole, config, seed=seed).test()["accuracy"] for seed in range(REFITS)]))


def run(name: str, seed: int) -> dict[str, Any]:
    task, begun = task_of(name, seed), time.process_time()
    study = ct.Study(
        task, SPACE, strategy="bayesian", scheduler="none", seed=seed, executor=ct.Fused(lanes=10, is_demanded=False)
    )
    study.optimize(trials=TRIALS, progress=False)
    searched = time.process_time()
    lucky = study.best
    found = study.confirm(top=5, seeds=5)
    confirmed = time.process_time()
    chosen, sealed = study.best, study.best.test()["accuracy"]
    known = dict[str, float]()

    def error_of(config: Any) -> float:
        key = repr(sorted(dict(config).items()))
        if key not in known:
            known[key] = test_error(task, config)
        return known[key]

    return {
        "table": name, "seed": seed, "observed": lucky.value, "confirmed": found.best.mean, "low": found.best.low,
        "high": found.best.high, "sealed": sealed, "is_covered": found.best.low <= sealed <= found.best.high,
        "is_same_trial": lucky.number == chosen.number, "observed_error": error_of(lucky.config),
        "confirmed_error": error_of(chosen.config), "default_error": error_of(SPACE.starts[0]),
        "probability_better": found.probability_better, "optimism": found.optimism, "warnings": len(found.warnings),
        "search_s": searched - begun, "confirm_s": confirmed - searched,
    }  # fmt: skip


def append(row: dict[str, Any]) -> None:
    is_new = not RUNS.exists()
    with RUNS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def read() -> list[dict[str, str]]:
    if not RUNS.exists():
        return []
    with RUNS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and its 95 % interval."""
    reach = 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return mean, mean - reach, mean + reach


def share(hits: np.ndarray) -> tuple[float, float, float]:
    """A share and its 95 % interval (Wilson 1927)."""
    n, p, z = len(hits), float(hits.mean()), 1.96
    middle, reach = (p + z * z / 2 / n), z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return p, (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)


def report() -> None:
    rows = read()
    column = {name: np.array([float(row[name]) for row in rows]) for name in (
        "observed", "sealed", "observed_error", "confirmed_error", "default_error", "optimism", "search_s", "confirm_s",
    )}  # fmt: skip
    covered = np.array([row["is_covered"] == "True" for row in rows], dtype=float)
    worse = {way: (column[f"{way}_error"] > column["default_error"]).astype(float) for way in ("observed", "confirmed")}
    found = {
        "test error, best observed": interval(column["observed_error"]),
        "test error, confirmed": interval(column["confirmed_error"]),
        "test error, default": interval(column["default_error"]),
        "confirmed minus observed": interval(column["confirmed_error"] - column["observed_error"]),
        "tests worse than the default, best observed": share(worse["observed"]),
        "tests worse than the default, confirmed": share(worse["confirmed"]),
        "interval covers the sealed score": share(covered),
        "optimism of the best observed": interval(column["optimism"]),
        "CPU of confirming, share of the search": interval(column["confirm_s"] / column["search_s"]),
    }
    results.write(
        "generalisation",
        [{"what": what, "runs": len(rows), "value": a, "low": b, "high": c} for what, (a, b, c) in found.items()],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    first, _, last = asked.seeds.partition("-")
    done = {(row["table"], int(row["seed"])) for row in read()}
    for seed in range(int(first), int(last or first) + 1) if not asked.report else ():
        for name in TABLES:
            if (name, seed) not in done:
                append(run(name, seed))
    report()


if __name__ == "__main__":
    main()
