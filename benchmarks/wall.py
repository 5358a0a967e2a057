"""How often a search walks into the same wall: spaces in a third of which trainings fail, and the best lies beside it.

`width`: the upper third of the widths runs out of memory. `product`: width, depth and batch size share the memory.
`rate`: the upper third of the learning rates diverges. Failures are told as such: by `tell(failed=...)`, and to Optuna
by TrialState.FAIL. Counted are the failures in 60 trials, those among the last 40, and the regret (0 at the best legal
config, 1 at the median of random legal ones). Run `python -m benchmarks.wall`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

import cotune as ct
from benchmarks import results, rivals
from benchmarks.searches import conversation, over_pipe

TRIALS, LATE, SEEDS = 60, 40, range(10)
WHO = ("bayesian", "tpe", "random", "optuna-tpe", "optuna-gp")
SPACE = ct.Space(
    width=ct.Int(16, 4096, log=True),
    depth=ct.Int(1, 8),
    batch_size=[16, 32, 64, 128, 256],
    learning_rate=ct.Float(1e-5, 1.0, log=True),
    dropout=ct.Float(0.0, 0.6),
    optimizer=["sgd", "adam", "rmsprop"],
)


def unit(config: Mapping[str, Any]) -> dict[str, float]:
    """The numbers, each from 0 to 1 over its range."""
    return {
        "width": math.log(config["width"] / 16) / math.log(256), "depth": (config["depth"] - 1) / 7,
        "batch_size": math.log2(config["batch_size"] / 16) / 4, "dropout": config["dropout"] / 0.6,
        "learning_rate": math.log10(config["learning_rate"]) / 5 + 1,
    }  # fmt: skip


def is_beyond(wall: str, config: Mapping[str, Any]) -> bool:
    """Whether the training fails."""
    at = unit(config)
    if wall == "product":
        return 2 * at["width"] + at["depth"] + at["batch_size"] > 2.35  # a third of the space
    return at["width" if wall == "width" else "learning_rate"] > 2 / 3


def loss(config: Mapping[str, Any], seed: int) -> float:
    """Better towards every wall; the rest of the optimum is somewhere else for every seed."""
    random, at = np.random.default_rng(seed), unit(config)
    best = {"dropout": random.uniform(0.1, 0.9), "learning_rate": random.uniform(0.45, 0.66)}
    bowl = sum((at[name] - value) ** 2 for name, value in best.items())
    climb = 0.6 * (1 - at["width"]) ** 2 + 0.3 * (1 - at["depth"]) ** 2 + 0.1 * (1 - at["batch_size"])
    return bowl + climb + 0.1 * ["sgd", "adam", "rmsprop"].index(config["optimizer"])


@dataclass(frozen=True, slots=True)
class Search:
    failures: int
    late_failures: int
    regret: float


def searched(talk: rivals.Conversation, strategy: str, wall: str, seed: int, scale: tuple[float, float]) -> Search:
    found = list[float]()

    def told(config: Mapping[str, Any], trial: int) -> float | None:
        found.append(math.inf if is_beyond(wall, config) else loss(config, seed))
        return found[-1] if math.isfinite(found[-1]) else None

    over_pipe(talk, SPACE, TRIALS, told, strategy=strategy, seed=seed)
    failed = [math.isinf(one) for one in found]
    lowest, middle = scale
    return Search(sum(failed), sum(failed[-LATE:]), (min(found) - lowest) / (middle - lowest))


def scale_of(wall: str, seed: int) -> tuple[float, float]:
    """The lowest and the median loss of 20,000 legal configs."""
    random = np.random.default_rng([7, seed])
    found = [
        loss(config, seed) for config in (SPACE.sample(random) for _ in range(20_000)) if not is_beyond(wall, config)
    ]
    return min(found), median(found)


def main() -> None:
    rows = list[dict[str, Any]]()
    scales = {(wall, seed): scale_of(wall, seed) for wall in ("width", "product", "rate") for seed in SEEDS}
    for who in WHO:
        library, strategy = rivals.STRATEGIES.get(who, (None, who))
        talk = conversation(library)
        for wall in ("width", "product", "rate"):
            found = [searched(talk, strategy, wall, seed, scales[wall, seed]) for seed in SEEDS]
            rows.append({
                "who": who, "wall": wall, "trials": TRIALS, "seeds": len(SEEDS),
                "failures": fmean(one.failures for one in found),
                f"failures_of_last_{LATE}": fmean(one.late_failures for one in found),
                "regret": fmean(one.regret for one in found),
            })  # fmt: skip
            print(rows[-1], flush=True)
        talk.close()
    results.write("wall", rows)


if __name__ == "__main__":
    main()
