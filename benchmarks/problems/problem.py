"""What a strategy is tried on: a space, a loss over it, and the scale on which losses of all problems compare."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from cotune.space import Space

Values = Mapping[str, Any]
Loss = Callable[[Values, int], float]
Disturbance = Callable[[Values, float, float, np.random.Generator], float]
"""From (config, loss, scale, generator) to a noisy observation of the loss."""

SCALES = Path(__file__).parent / "scales.csv"


@dataclass(frozen=True, slots=True)
class Problem:
    """A loss to minimise. Its seed names the instance: the same problem shifted, turned or with other tables.

    loss: noiseless, at (config, seed); NaN where training failed. best: the lowest known loss of a seed.
    optimum: a config that has it, where one is known. disturbance: what is observed in place of the loss, if not it.
    """

    name: str
    regime: str
    space: Space
    loss: Loss
    best: Callable[[int], float]
    optimum: Callable[[int], Values] | None = None
    disturbance: Disturbance | None = None

    @property
    def scale(self) -> float:
        """Median loss of random configs over all instances, minus the best; from scales.csv."""
        return _scales()[self.name][0]

    def evaluate(self, config: Values, seed: int) -> float:
        """The noiseless loss."""
        return self.loss(config, seed)

    def observe(self, config: Values, seed: int, trial: int) -> float:
        """What a strategy is told; the noise belongs to (problem, seed, trial), so all strategies get the same."""
        loss = self.loss(config, seed)
        if self.disturbance is None:
            return loss
        return self.disturbance(config, loss, self.scale, generator(self.name, seed, 1 + trial))

    def regret(self, loss: float, seed: int) -> float:
        """0 at the best known loss, 1 at the median of random configs; infinite for NaN."""
        return math.inf if math.isnan(loss) else (loss - self.best(seed)) / self.scale


def generator(name: str, seed: int, stream: int = 0) -> np.random.Generator:
    """The random numbers of an instance (stream 0), or of its trials."""
    return np.random.default_rng([crc32(name.encode()), seed, stream])


def zero(seed: int) -> float:
    """The best loss of a problem that is made so that it is 0."""
    return 0.0


def lowest_known(name: str) -> Callable[[int], float]:
    """The best loss of a problem for which only a search can tell; from scales.csv."""
    return lambda seed: _scales()[name][1]


@cache
def _scales() -> Mapping[str, tuple[float, float]]:
    """Scale and lowest known loss of every problem by name."""
    with SCALES.open(newline="", encoding="utf-8") as file:
        return {row["problem"]: (float(row["scale"]), float(row["best"] or 0.0)) for row in csv.DictReader(file)}
