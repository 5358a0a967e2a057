"""Random search (Bergstra & Bengio 2012)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from cotune.records import Draw, History, Suggestion
from cotune.strategies.known import known
from cotune.strategies.untried import Unrepeated


@dataclass(frozen=True)
class Random:
    """Uniform in the unit cube, so logarithmic where a parameter is; every trial drawn independently.

    In a finite space no configuration comes twice.
    """

    reads_results: ClassVar[bool] = False
    _cache: Unrepeated = field(default_factory=Unrepeated, init=False, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """n samples, each from its trial's own generator; fewer when a finite space is exhausted."""
        first = len(history)
        configs = self._cache.instead(history, [history.space.sample(draw(first + i)) for i in range(n)], draw)
        records = ({"strategy": "random", "why": "drawn at random", **known(history, i)} for i in range(len(configs)))
        return [Suggestion(config, record) for config, record in zip(configs, records, strict=True)]
