"""Learning curves of real trainings: what a search that stops trials early is tried on.

`taskset`: recorded ones, Adam with eight hyperparameters on recurrent networks. `lcbench`: small networks on tables, as
a network expects them that was fitted to such curves. Sources: benchmarks/data/README.md. `plateau`: made of functions,
with what trainings of recurrent networks do: most stay at chance, the others leave it late, some diverge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.catalogue import problems
from benchmarks.problems.problem import Values, generator
from benchmarks.problems.surrogates import through
from benchmarks.problems.tables import DATA, arrays, pool_rows, space_of
from cotune.space import Space

Curve = NDArray[np.float64]

TUNING = (
    "lcbench/34539", "lcbench/7593", "lcbench/126025", "lcbench/167104", "lcbench/167149", "lcbench/167152",
    "lcbench/167161", "lcbench/167181", "lcbench/168330", "lcbench/189905", "lcbench/189909",
    "plateau/hartmann6", "plateau/levy6", "plateau/ackley10", "plateau/rosenbrock5", "plateau/network10",
)  # fmt: skip
CONFIRMATION = (
    "taskset/lstm128", "taskset/irnn64_avg", "taskset/irnn64_last", "taskset/vrnn128", "taskset/vrnn64_relu",
    "taskset/vrnn64",
    "lcbench/126026", "lcbench/167168", "lcbench/167200", "lcbench/168329", "lcbench/168331", "lcbench/189908",
)  # fmt: skip
"""Fixed before anything was measured; nothing of these may be tuned on."""

_CHANCE, _LOWEST = 0.7, 0.35
_N_RANDOM = 500
_EPOCHS_OF_LCBENCH = 52


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """A loss to minimise, after every epoch of a training.

    curve: config -> (epochs,) losses, all finite; what diverged has the highest loss that was recorded. best: the
    lowest loss known of any epoch. median: that of random configs after the last epoch.
    """

    name: str
    space: Space
    epochs: int
    curve: Callable[[Values], Curve]
    best: float
    median: float

    def regret(self, losses: Curve) -> Curve:
        """0 at the best known loss, 1 at the median of random configs and above."""
        return np.clip((losses - self.best) / (self.median - self.best), 0.0, 1.0)


@cache
def curves(name: str) -> Curves:
    """The problem of that name, of `TUNING` or `CONFIRMATION`."""
    suite, _, instance = name.partition("/")
    return {"taskset": _recorded, "lcbench": _expected, "plateau": _plateau}[suite](instance)


def _recorded(task: str) -> Curves:
    """The first column is the loss before training."""
    space, recorded = space_of("taskset"), arrays("taskset", task)["curves"][:, 1:].astype(np.float64)
    losses = np.where(np.isfinite(recorded), recorded, np.nanmax(recorded[np.isfinite(recorded)]))
    nearest = pool_rows(space, arrays("taskset", task)["x"])
    return Curves(
        f"taskset/{task}", space, losses.shape[1], lambda config: losses[nearest(config)],
        float(losses.min()), float(np.median(losses[:, -1])),
    )  # fmt: skip


def _expected(data_set: str) -> Curves:
    """Minus the accuracy."""
    name, space = f"lcbench/{data_set}", space_of("lcbench")
    net = arrays("lcbench", "epochs")
    begun = net[f"start_{data_set}"].astype(np.float64)
    epochs = np.log(np.arange(1, _EPOCHS_OF_LCBENCH + 1))[:, None] * net["epoch"].astype(np.float64)

    def curve(config: Values) -> Curve:
        return -through("lcbench", space, begun + epochs, config)

    def last(config: Values) -> float:
        return -float(through("lcbench", space, begun + epochs[-1], config))

    known: Mapping[str, Values] = json.loads((DATA / "best_configs.json").read_text(encoding="utf-8"))
    random = generator(name, 0)
    median = float(np.median([last(space.sample(random)) for _ in range(_N_RANDOM)]))
    return Curves(name, space, _EPOCHS_OF_LCBENCH, curve, float(curve(known[name]).min()), median)


def _plateau(name: str) -> Curves:
    """Made of a function: where it is above its 40 % quantile, nothing is learnt; the lower it is, the more."""
    problem = problems()[name]
    random = generator(f"plateau/{name}", 0)
    some = [problem.space.sample(random) for _ in range(_N_RANDOM)]
    best, least = problem.best(0), float(np.quantile([problem.evaluate(config, 0) for config in some], 0.4))
    epochs = np.arange(1.0, 51.0)

    def curve(config: Values) -> Curve:
        units = np.nan_to_num(problem.space.encode(problem.space.check(config))[0], nan=0.5)
        own = np.random.default_rng(crc32(units.tobytes()))
        depth = np.clip((least - problem.evaluate(config, 0)) / (least - best), 0.0, 1.0)
        delay = 1.0 + 12.0 * (0.5 + 0.5 * np.sin(7.0 * units.sum()))
        share = epochs**2 / (epochs**2 + delay**2)
        losses = _CHANCE - (_CHANCE - _LOWEST) * depth * share + 0.002 * own.standard_normal(len(epochs))
        if units[0] > 0.85:
            losses[own.integers(len(epochs)) :] = 1e6
        return losses

    return Curves(f"plateau/{name}", problem.space, len(epochs), curve, _LOWEST, _CHANCE)
