"""Where to look for the maximum of an acquisition function, and how: many points, then climbs from the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.quasirandom import SobolEngine

from cotune.config import Config
from cotune.numerics import lbfgs
from cotune.space import Space
from cotune.strategies.bayesian.features import Features

Floats = NDArray[np.float64]
Value = Callable[[Floats], Floats]
"""(m, d) snapped positions -> (m,) how good they are."""
Climb = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(m, d) positions and (m, c) columns moved from there -> minus how good they are, and its gradient by the columns."""

N_SPREAD, N_LOCAL, N_STARTS = 512, 256, 6
_DRAWN = 32
"""So many configurations are drawn by the space itself where there are rules: candidates may all be forbidden."""
_MIN_SHARE = 0.3
_ITERATIONS = 30
_LEVELS = 24
"""So many levels of a discrete parameter are tried at a time."""
_LOOKS = 256
"""How many candidates are looked at, from the best down, for one that is legal and new."""
_SAME = 1e-9
_INNER = 0.4
"""Where a wide space is begun: the farther out a point, the farther it is from nearly everything."""
_LISTED = 2048
"""A finite space of at most so many configurations is searched whole."""


@dataclass(frozen=True, slots=True)
class Found:
    """A configuration that can be proposed, and its position (d,)."""

    config: Config
    unit: Floats


@dataclass(frozen=True, slots=True)
class Ground:
    """A space as candidates see it.

    base: evenly spread points, to be shifted for each trial. guess (d,): the user's, or else the middle. listed: all
    configurations of a small finite space as snapped positions.
    """

    space: Space
    features: Features
    base: Floats
    guess: Floats
    listed: Floats | None

    @classmethod
    def of(cls, space: Space) -> Ground:
        """What can be computed once per space."""
        base: Floats = SobolEngine(space.dimension, scramble=False).draw(N_SPREAD, dtype=torch.float64).numpy()
        guess = space.positions.snapped(_guess(space)[None])[0]
        return cls(space, Features(space.positions), base, guess, _listed(space))

    def legal(self, unit: Floats) -> Config | None:
        """The configuration at a position, if no rule forbids it."""
        config = self.space.decode(unit)
        return config if not self.space.has_rules or self.space.allows(config) else None

    def inner(self, units: Floats) -> Floats:
        """Positions (m, d), snapped, with their numbers moved towards the guess; those of few levels stay."""
        moved = self.guess + _INNER * (units - self.guess)
        return self.space.positions.snapped(np.where(self.features.is_fine, moved, units))

    def shifted(self, generator: Generator) -> Floats:
        """Evenly spread points, moved together (Cranley & Patterson 1976)."""
        return (self.base + generator.random(self.base.shape[1])) % 1.0


def filled(units: Floats) -> Floats:
    """The positions with 0.5 where a parameter is inactive."""
    return np.where(np.isnan(units), 0.5, units)


def _guess(space: Space) -> Floats:
    """The guess of each parameter that has a prior, and the middle of every other."""
    guesses = [p.scale().encode(p.prior.guess)[0] if p.has_prior else 0.5 for p in space.parameters.values()]
    return np.array(guesses)


def _listed(space: Space) -> Floats | None:
    size = space.size
    if size is None or size > _LISTED:
        return None
    return filled(np.array([space.encode(config)[0] for config in space.grid(size)]))


def pool(ground: Ground, best: Floats, generator: Generator) -> Floats:
    """(m, d) snapped positions to begin with: spread over the space, and near the best ones (k, d)."""
    if ground.listed is not None:
        return ground.listed
    near = _neighbours(ground.features, best, generator)
    candidates = ground.space.positions.snapped(np.concatenate([ground.shifted(generator), near]))
    if not ground.space.has_rules:
        return candidates
    legal = [unit for unit in candidates if ground.legal(unit) is not None]
    drawn = [filled(ground.space.encode(ground.space.sample(generator))[0]) for _ in range(_DRAWN)]
    return np.array([*legal, *drawn])


def _neighbours(features: Features, best: Floats, generator: Generator) -> Floats:
    """Good positions with a few entries moved, by steps of all sizes; choices are drawn anew half of the time."""
    d = best.shape[1]
    parents = best[generator.integers(len(best), size=N_LOCAL)]
    is_moved = generator.random((N_LOCAL, d)) < max(2 / d, _MIN_SHARE)
    size = 0.5 * 10 ** (-3 * generator.random((N_LOCAL, 1)))
    step = size * generator.standard_normal((N_LOCAL, d))
    fresh = generator.random((N_LOCAL, d))
    redrawn = np.where(fresh < 0.5, 2 * fresh, parents)
    moved = np.where(features.is_number, np.clip(parents + step, 0.0, 1.0), redrawn)
    return np.where(is_moved, moved, parents)


def ranked(
    ground: Ground, candidates: Floats, incumbent: Floats, value: Value, climb: Climb, generator: Generator
) -> Floats:
    """All candidates and what climbing from the best of them found, the best first."""
    values = value(candidates)
    if ground.listed is not None:
        return candidates[np.argsort(-values, kind="stable")]
    starts = np.concatenate([candidates[_picked(values, N_STARTS - 1, generator)], incumbent])
    rounds = 1 if ground.features.is_plain else 2
    for _ in range(rounds):
        starts = climbed(ground.features, starts, climb, iterations=_ITERATIONS // rounds)
        starts = _coordinates(ground.features, starts, value, generator)
    everything = np.concatenate([starts, candidates])
    values = np.concatenate([value(starts), values])
    return everything[np.argsort(-values, kind="stable")]


def climbed(
    features: Features, units: Floats, climb: Climb, *, iterations: int, gradient_tolerance: float = 1e-3,
    value_tolerance: float = 1e-3,
) -> Floats:  # fmt: skip
    """The positions after their active numbers were moved uphill."""
    x, low, high = features.box(units)
    found, _ = lbfgs.minimize(
        lambda columns: climb(units, columns), x, low, high,
        iterations=iterations, gradient_tolerance=gradient_tolerance, value_tolerance=value_tolerance,
    )  # fmt: skip
    return features.moved(units, found)


def _picked(values: Floats, n: int, generator: Generator) -> NDArray[np.int64]:
    """The best candidate and n - 1 others, likelier the better they are (Gumbel's trick for sampling by softmax)."""
    best = int(values.argmax())
    noisy = np.clip(values - values[best], -30.0, 0.0) + generator.gumbel(size=len(values))
    noisy[best] = np.inf
    return np.argsort(-noisy, kind="stable")[:n]


def _coordinates(features: Features, units: Floats, value: Value, generator: Generator) -> Floats:
    """The positions after each discrete parameter in turn took its best level, all else being equal."""
    for j, levels in enumerate(features.levels):
        if len(levels) < 2:
            continue
        tried = levels if len(levels) <= _LEVELS else generator.choice(levels, _LEVELS, replace=False)
        trials = np.repeat(units[:, None, :], len(tried) + 1, axis=1)
        trials[:, 1:, j] = tried
        values = value(trials.reshape(-1, units.shape[1])).reshape(len(units), -1)
        units = trials[np.arange(len(units)), values.argmax(axis=1)]
    return units


def first_new(ground: Ground, candidates: Floats, tried: Floats) -> Found | None:
    """The first candidate that is legal and not among the tried (n, c) columns; None if there is none."""
    for unit in candidates[: None if ground.listed is not None else _LOOKS]:
        if _is_new(ground.features, unit, tried) and (config := ground.legal(unit)) is not None:
            return Found(config, unit)
    return None


def _is_new(features: Features, unit: Floats, tried: Floats) -> bool:
    """Whether some column is not that of a tried one, for each of (n, c)."""
    return not bool((np.abs(tried - features.of(unit[None])).max(axis=1) < _SAME).any())
