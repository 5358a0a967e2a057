"""What no trial has had yet, for strategies that never propose a configuration twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
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
