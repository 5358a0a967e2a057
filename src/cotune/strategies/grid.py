"""Grid search: every combination once, in a random order so that a part of it covers the whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar

from cotune.config import Config
from cotune.records import Draw, History, Suggestion
from cotune.seeds import Purpose, generator
from cotune.strategies.known import known


@dataclass
class _Seen:
    """The shuffled grid of one history, and the keys of the configurations that were tried."""

    history: History
    budget: int | None
    points: list[Config]
    keys: set[str] = field(default_factory=set)
    n_trials: int = 0
    cursor: int = 0


@dataclass(frozen=True)
class Grid:
    """All combinations of choices and steps as given; a Float or a wide Int gets as many levels as the budget allows.

    The budget is the study's first `trials=`, so that a larger one later continues the same grid.
    """

    reads_results: ClassVar[bool] = False
    _cache: list[_Seen] = field(default_factory=list, init=False, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """The next n combinations that no trial has; fewer at the end of the grid."""
        seen = self._seen(history)
        found: list[Suggestion] = []
        for index in range(seen.cursor, len(seen.points)):
            if len(found) == n:
                break
            point = seen.points[index]
            if _key(point) in seen.keys:
                seen.cursor += not found  # never to be looked at again
                continue
            why = f"point {index + 1} of a shuffled grid of {len(seen.points)}"
            found.append(Suggestion(point, {"strategy": "grid", "why": why, **known(history, len(found))}))
        return found

    def _seen(self, history: History) -> _Seen:
        budget = history.settings.get("trials")
        seen = self._cache[0] if self._cache else None
        if seen is None or seen.history is not history or seen.budget != budget:
            seen = _Seen(history, budget, _shuffled(history, budget, seen))
            self._cache[:] = [seen]
        seen.keys.update(_key(history.config(number)) for number in range(seen.n_trials, len(history)))
        seen.n_trials = len(history)
        return seen


def _shuffled(history: History, budget: int | None, seen: _Seen | None) -> list[Config]:
    """The grid in the order of this history's seed; of the same space with the same seed it is known already."""
    if seen and seen.history.space is history.space and (seen.history.seed, seen.budget) == (history.seed, budget):
        return seen.points
    points = history.space.grid(budget)
    order = generator(history.seed, Purpose.CHOOSE).random(len(points)).argsort(kind="stable")
    return [points[i] for i in order]


def _key(config: Config) -> str:
    return json.dumps(dict(config), sort_keys=True)
