"""Scrambled Sobol' points: random search that leaves no holes (Sobol' 1967; Owen 1998)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.quasirandom import SobolEngine

from cotune.config import Config
from cotune.records import Draw, History, Suggestion
from cotune.seeds import Purpose, integer
from cotune.space import Space
from cotune.strategies.known import known


@dataclass(frozen=True)
class Sobol:
    """Trial k gets the k-th point of one scrambled sequence; a point that a rule forbids is drawn at random instead."""

    _cache: dict[tuple[int, int], SobolEngine] = field(default_factory=dict, init=False, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """The next n points of the sequence."""
        first = len(history)
        points = self._points(history, first, n)
        found = [_placed(history.space, point, first + i, draw) for i, point in enumerate(points)]
        return [
            Suggestion(config, {"strategy": "sobol", "why": why, **known(history, i)})
            for i, (config, why) in enumerate(found)
        ]

    def _points(self, history: History, first: int, n: int) -> list[list[float]]:
        """Points first .. first + n - 1, each in [0, 1]^d."""
        key = (history.seed, history.space.dimension)
        engine = self._cache.get(key)
        if engine is None:
            seed = integer(history.seed, Purpose.CHOOSE)
            engine = SobolEngine(history.space.dimension, scramble=True, seed=seed)
            self._cache.clear()
            self._cache[key] = engine
        if engine.num_generated > first:
            engine.reset()
        engine.fast_forward(first - engine.num_generated)
        return engine.draw(n, dtype=torch.float64).tolist()


def _placed(space: Space, point: list[float], number: int, draw: Draw) -> tuple[Config, str]:
    """The configuration at a point, and why it is that."""
    config: Config = space.decode(point)
    if space.allows(config):
        return config, f"point {number + 1} of evenly spread ones"
    return space.sample(draw(number)), "a rule forbids the evenly spread point; drawn at random"
