"""What no trial has had yet, for strategies that never propose a configuration twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
from cotune.records import Draw, History
from cotune.space import Space

Floats = NDArray[np.float64]

_LARGEST = 100_000
_TRIES = 100


def is_untried(row: Floats, rows: Floats) -> bool:
    """Whether the positions `row` (d,), NaN where inactive, differ from each of `rows` (n, d)."""
    same = np.arange(len(rows))
    for column, position in enumerate(row):
        values = rows[same, column]
        same = same[np.isnan(values) if np.isnan(position) else values == position]
        if not len(same):
            return True
    return False


@dataclass
class Untried:
    """Finds configurations that are left over. It remembers the list of all that the last space has."""

    _space: Space | None = None
    _configs: list[Config] = field(default_factory=list)

    def some(self, space: Space, rows: Floats, n: int, random: np.random.Generator) -> list[Config]:
        """At most n legal configurations, at random, whose positions are none of `rows`; [] if none is found.

        A space of at most 100,000 configurations is listed, so that [] means that nothing is left. In a larger one a
        hundred are drawn; where parameters are continuous some of those are as good as certain to be new.
        """
        size = space.size
        if size is None or size > _LARGEST:
            drawn = (space.sample(random) for _ in range(_TRIES))
            return next(([config] for config in drawn if is_untried(space.encode(config)[0], rows)), [])
        tried = {row.tobytes() for row in rows}
        left = [config for config in self._all(space, size) if space.encode(config)[0].tobytes() not in tried]
        return [left[place] for place in random.permutation(len(left))[:n]]

    def _all(self, space: Space, size: int) -> list[Config]:
        if self._space is not space:
            self._space, self._configs = space, space.grid(size)
        return self._configs


@dataclass
class Unrepeated:
    """Keeps the trials of a finite space apart. What it remembers of a history can be read in it again."""

    _history: History | None = None
    _is_finite: bool = False
    _tried: set[bytes] = field(default_factory=set)
    _n_read: int = 0
    _untried: Untried = field(default_factory=Untried)

    def instead(self, history: History, wanted: Sequence[Config], draw: Draw) -> list[Config]:
        """The configurations that are wanted for the next trials, in a finite space without those that were tried.

        In the place of each of these comes a sample that no trial has had, from its trial's own generator; fewer are
        returned when none is left.
        """
        self._catch_up(history)
        if not self._is_finite:
            return list(wanted)
        found: dict[bytes, Config] = {}
        for number, config in enumerate(wanted, start=len(history)):
            is_new = self._is_new(_key(history.space, config), found)
            fresh = config if is_new else self._another(history, found, draw(number))
            if fresh is None:
                break
            found[_key(history.space, fresh)] = fresh
        return list(found.values())

    def _another(self, history: History, planned: Mapping[bytes, Config], random: np.random.Generator) -> Config | None:
        space = history.space
        for _ in range(_TRIES):
            config = space.sample(random)
            if self._is_new(_key(space, config), planned):
                return config
        rows = [history.x, *(space.encode(config)[0] for config in planned.values())]
        return next(iter(self._untried.some(space, np.vstack(rows), 1, random)), None)

    def _is_new(self, key: bytes, planned: Mapping[bytes, Config]) -> bool:
        return key not in self._tried and key not in planned

    def _catch_up(self, history: History) -> None:
        if self._history is not history:
            self._history, self._is_finite = history, history.space.size is not None
            self._tried, self._n_read = set(), 0
        if self._is_finite:
            self._tried.update(row.tobytes() for row in history.x[self._n_read :])
            self._n_read = len(history)


def _key(space: Space, config: Config) -> bytes:
    return space.encode(config)[0].tobytes()
