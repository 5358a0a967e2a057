"""Scrambled Sobol' points: random search that leaves no holes (Sobol' 1967; Owen 1998)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from numpy.random import Generator
from torch.quasirandom import SobolEngine

from cotune.config import Config
from cotune.records import Draw, History, Suggestion
from cotune.seeds import Purpose, integer
from cotune.space import Space
from cotune.strategies.known import known
from cotune.strategies.untried import Unrepeated

_AGAIN = "the evenly spread point was tried before; drawn at random"


@dataclass
class Spread:
    """The configurations at the points of one scrambled sequence. It remembers how far the last one was drawn."""

    _engines: dict[tuple[int, int], SobolEngine] = field(default_factory=dict)

    def of(self, history: History, n: int, draw: Draw) -> list[tuple[Config, str]]:
        """For each of the next n trials its own point, and why it is that: one that a rule forbids is drawn instead."""
        first = len(history)
        points = self._points(history, first, n)
        return [_placed(history.space, point, first + i, draw) for i, point in enumerate(points)]

    def at(self, history: History, number: int, generator: Generator) -> Config:
        """The configuration for one trial alone; the generator is that trial's, for where a rule forbids its point."""
        [point] = self._points(history, number, 1)
        return _placed(history.space, point, number, lambda _: generator)[0]

    def _points(self, history: History, first: int, n: int) -> list[list[float]]:
        """Points first .. first + n - 1, each in [0, 1]^d."""
        key = (history.seed, history.space.dimension)
        engine = self._engines.get(key)
        if engine is None:
            seed = integer(history.seed, Purpose.CHOOSE)
            engine = SobolEngine(history.space.dimension, scramble=True, seed=seed)
            self._engines.clear()
            self._engines[key] = engine
        if engine.num_generated > first:
            engine.reset()
        engine.fast_forward(first - engine.num_generated)
        return engine.draw(n, dtype=torch.float64).tolist()


@dataclass
class _Kept:
    spread: Spread = field(default_factory=Spread)
    unrepeated: Unrepeated = field(default_factory=Unrepeated)


@dataclass(frozen=True)
class Sobol:
    """Trial k gets the k-th point of one scrambled sequence.

    A point that a rule forbids, or in a finite space one that was tried, is drawn at random instead.
    """

    reads_results: ClassVar[bool] = False
    _cache: _Kept = field(default_factory=_Kept, init=False, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """The next n points of the sequence; fewer when a finite space is exhausted."""
        placed = self._cache.spread.of(history, n, draw)
        configs = self._cache.unrepeated.instead(history, [config for config, _ in placed], draw)
        return [
            Suggestion(config, {"strategy": "sobol", "why": why if config is own else _AGAIN, **known(history, i)})
            for i, (config, (own, why)) in enumerate(zip(configs, placed, strict=False))
        ]


def _placed(space: Space, point: list[float], number: int, draw: Draw) -> tuple[Config, str]:
    """The configuration at a point, and why it is that."""
    config: Config = space.decode(point)
    if space.allows(config):
        return config, f"point {number + 1} of evenly spread ones"
    return space.sample(draw(number)), "a rule forbids the evenly spread point; drawn at random"
