"""A model of the objective over the whole space, in a few versions that the results speak for nearly alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotune.explain.results import Results
from cotune.numerics import anova
from cotune.numerics.anova import Points
from cotune.numerics.anova_paths import Hold, Move, Paths, paths
from cotune.numerics.sobol_indices import samples
from cotune.seeds import Purpose, generator
from cotune.space import Space

Floats = NDArray[np.float64]

ROWS = 200
"""How many results predictions are made from, at most: the cost is bounded."""
_FIT_ROWS, _FEWEST_FIT_ROWS, _FIT_CELLS = 160, 80, 160_000
"""The same for hyperparameters: as many rows as make so many cells of distances with all parameters."""
_VERSIONS, _DRAWS = 4, 8
_BETWEEN = 48
_LANDSCAPE = 512


@dataclass(frozen=True, slots=True)
class Surrogate:
    """loss = middle + spread * what the paths say. paths: one for each version, its mean and its draws;
    the likeliest first.

    below (d): for each parameter those that its value may switch on or off. explained: R2 of predicting each result
    from the others; below 0 where their mean would predict better.
    """

    space: Space
    middle: float
    spread: float
    paths: tuple[Paths, ...]
    below: tuple[tuple[int, ...], ...]
    explained: float

    def points(self, units: Floats) -> Points:
        """Configurations at positions (m, d), which may be NaN where inactive."""
        positions = self.space.positions
        snapped = positions.snapped(np.where(np.isnan(units), 0.5, units))
        return Points(snapped, positions.active(snapped), positions.is_ordered)

    def moves(self, here: Floats, there: Floats) -> list[Move]:
        """The exchange of each column of the positions `here` (m, d) for that of `there`."""
        found = []
        for j, touched in enumerate(self.below):
            moved = here.copy()
            moved[:, j] = there[:, j]
            found.append(Move(j, touched, self.space.positions.active(moved)))
        return found

    def hold(self, units: Floats, column: int, values: Floats) -> Hold:
        """One column of the positions (m, d) held at each of k values."""
        touched = self.below[column]
        held = np.repeat(units[None], len(values) if touched else 0, axis=0)
        held[:, :, column] = values[: len(held), None]
        active = [self.space.positions.active(one) for one in held]
        return Hold(column, touched, values, np.array(active, dtype=np.bool_))

    def losses(self, units: Floats) -> Floats:
        """(m,) losses that the likeliest version predicts at positions (m, d)."""
        predicted: Floats = self.middle + self.spread * self.standardised(units)
        return predicted

    def standardised(self, units: Floats) -> Floats:
        """(m,) the same in spreads above the middle."""
        return self.paths[0].mean_values(self.points(units))


@dataclass(frozen=True, slots=True)
class Landscape:
    """Standardised predicted losses (m,) at evenly spread configurations: units (m, d), NaN where inactive."""

    units: Floats
    losses: Floats


def landscape(model: Surrogate) -> Landscape:
    """The whole space as the model sees it."""
    inside = model.points(samples(model.space.dimension, _LANDSCAPE, seed=9)[0])
    return Landscape(np.where(inside.active, inside.units, np.nan), model.standardised(inside.units))


def surrogate(space: Space, results: Results, seed: int) -> Surrogate:
    """The surrogate of at least two different results."""
    random = generator(seed, Purpose.CHOOSE, 0, 0)
    unit = float(np.abs(results.losses).max())  # squares of large losses would overflow, of small ones vanish
    scaled = results.losses / unit
    middle, spread = float(scaled.mean()), float(scaled.std())
    seen = Points(
        np.where(np.isnan(results.units), 0.5, results.units), ~np.isnan(results.units), space.positions.is_ordered
    )
    targets = (scaled - middle) / spread
    n_fit = max(_FEWEST_FIT_ROWS, min(_FIT_ROWS, int(math.sqrt(_FIT_CELLS / space.dimension))))
    few, most = (_evenly(len(results), n) for n in (n_fit, ROWS))
    theta = anova.fit(seen.rows(few), targets[few])
    versions = anova.plausible(theta, seen.rows(few), _VERSIONS, random)
    posteriors = [anova.condition(version, seen.rows(most), targets[most]) for version in versions]
    off = posteriors[0].left_out()
    among = targets[most] - targets[most].mean()
    inside = samples(space.dimension, _BETWEEN, seed=0)[0]
    positions = space.positions
    between = Points(positions.snapped(inside), positions.active(positions.snapped(inside)), positions.is_ordered)
    found = tuple(paths(posterior, between, _DRAWS, random) for posterior in posteriors)
    explained = 1.0 - float(off @ off) / max(float(among @ among), 1e-300)
    return Surrogate(space, unit * middle, unit * spread, found, _below(space), explained)


def _evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` rows of n, evenly spread over them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _below(space: Space) -> tuple[tuple[int, ...], ...]:
    """Whose activity depends on each parameter, directly or not."""
    parents = {name: set(parameter.when or ()) for name, parameter in space.parameters.items()}
    for name in space.names:  # parents come first
        parents[name] |= {further for parent in parents[name] for further in parents[parent]}
    return tuple(_places(space.names, [other for other in space.names if name in parents[other]]) for name in parents)


def _places(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    return tuple(names.index(name) for name in wanted)
