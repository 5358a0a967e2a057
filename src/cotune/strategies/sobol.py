"""Scrambled Sobol' points: random search that leaves no holes (Sobol' 1967; Owen 1998)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.quasirandom import SobolEngine

from cotune.config import Config
from cotune.records import Draw, History, Suggestion
from cotune.seeds import Purpose, integer
from cotune.space import Space


@dataclass(frozen=True)
class Sobol:
    """Trial k gets the k-th point of one scrambled sequence; a point that a rule forbids is drawn at random instead."""

    _cache: dict[tuple[int, int], SobolEngine] = field(default_factory=dict, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """The next n points of the sequence."""
        first = len(history)
        points = self._points(history, first, n)
        return [_suggestion(history.space, point, first + i, draw) for i, point in enumerate(points)]

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


def _suggestion(space: Space, point: list[float], number: int, draw: Draw) -> Suggestion:
    config: Config = space.decode(point)
    if space.allows(config):
        return Suggestion(config, {"strategy": "sobol", "point": number})
    return Suggestion(
        space.sample(draw(number)), {"strategy": "sobol", "why": "a rule forbids the point; drawn at random"}
    )
