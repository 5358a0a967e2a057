"""Random search: every trial drawn independently (Bergstra & Bengio 2012)."""

from __future__ import annotations

from dataclasses import dataclass

from cotune.records import Draw, History, Suggestion
from cotune.strategies.known import known


@dataclass(frozen=True)
class Random:
    """Uniform in the unit cube, so logarithmic where a parameter is."""

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """n independent samples, each from its trial's own generator."""
        first = len(history)
        configs = [history.space.sample(draw(first + i)) for i in range(n)]
        records = ({"strategy": "random", "why": "drawn at random", **known(history, i)} for i in range(n))
        return [Suggestion(config, record) for config, record in zip(configs, records, strict=True)]
