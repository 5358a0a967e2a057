"""Learning curves of real trainings: what a search that stops trials early is tried on.

`taskset`: recorded ones, Adam with eight hyperparameters on recurrent networks. `lcbench`: those that a network expects
it was fitted to, of small networks on tables. Sources: benchmarks/data/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Values, generator
from benchmarks.problems.surrogates import through
from benchmarks.problems.tables import DATA, arrays, pool_rows, space_of
from cotune.space import Space

Curve = NDArray[np.float64]

TUNING = (
    "lcbench/34539", "lcbench/7593", "lcbench/126025", "lcbench/167104", "lcbench/167149", "lcbench/167152",
    "lcbench/167161", "lcbench/167181", "lcbench/168330", "lcbench/189905", "lcbench/189909",
)  # fmt: skip
CONFIRMATION = (
    "taskset/lstm128", "taskset/irnn64_avg", "taskset/irnn64_last", "taskset/vrnn128", "taskset/vrnn64_relu",
    "taskset/vrnn64",
    "lcbench/126026", "lcbench/167168", "lcbench/167200", "lcbench/168329", "lcbench/168331", "lcbench/189908",
)  # fmt: skip
"""Fixed before anything was measured; nothing of these may be tuned on."""

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
    return _recorded(instance) if suite == "taskset" else _expected(instance)


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

    known: Mapping[str, Values] = json.loads((DATA / "best_configs.json").read_text(encoding="utf-8"))
    random = generator(name, 0)
    last = [curve(space.sample(random))[-1] for _ in range(_N_RANDOM)]
    return Curves(
        name, space, _EPOCHS_OF_LCBENCH, curve, float(curve(known[name]).min()), float(np.median(last))
    )  # fmt: skip
