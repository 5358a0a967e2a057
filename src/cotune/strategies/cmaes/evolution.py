"""A population in the unit cube: a distribution over configurations, and what a generation of results makes of it.

Numbers and ordered choices are drawn from one normal distribution (`numerics.cma`), those with countable values
through cells with a margin; choices without an order from probabilities of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from cotune.numerics import categories, cma
from cotune.numerics.categories import Integers, Probabilities
from cotune.numerics.cma import Booleans, Floats, Normal
from cotune.numerics.margin import with_margin
from cotune.space import Space

_WIDEST = 0.5
"""Largest standard deviation in the unit cube; beyond, a normal inside the cube is all but uniform."""
_NARROW = 1e-7
"""With all standard deviations below this, a run has arrived."""
_MANY = 50
"""With more numeric columns than this, correlations are not learned, to bound the cost."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a space by how they are searched; columns with one value are in neither list.

    numeric, choice: indices of columns. is_countable: for each numeric one, whether it has cells. counts: numbers of
    choices.
    """

    space: Space
    numeric: Integers
    choice: Integers
    is_countable: Booleans
    counts: Integers

    @classmethod
    def of(cls, space: Space) -> Layout:
        """The layout of a space."""
        positions = space.positions
        is_free = positions.counts > 1
        numeric, choice = (np.flatnonzero(is_free & kind) for kind in (positions.is_ordered, ~positions.is_ordered))
        return cls(
            space, numeric, choice, np.isfinite(positions.counts[numeric]), positions.counts[choice].astype(np.int64)
        )

    @property
    def dimension(self) -> int:
        """Number of columns that are searched; at least 1."""
        return max(1, len(self.numeric) + len(self.choice))

    def cells(self, mean: Floats) -> tuple[Floats, Floats]:
        """The ends of the cells that the entries of a mean (n,) of the numeric columns lie in."""
        units = np.full((1, self.space.dimension), 0.5)
        units[0, self.numeric] = mean
        lows, highs = self.space.positions.cells(units)
        return lows[0, self.numeric], highs[0, self.numeric]


@dataclass(frozen=True, slots=True, eq=False)
class Evolution:
    """Where a run stands. run: number of restarts before it. bests: lowest losses of its last generations."""

    normal: Normal
    chances: Probabilities
    run: int
    population: int
    bests: tuple[float, ...] = ()

    @property
    def generation(self) -> int:
        """Number of generations that the run has behind it."""
        return self.normal.generation


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """Results that move a distribution.

    units (k, d): positions of the configurations, NaN where inactive. places (k, n): where in its cell a numeric entry
    was drawn, or what was drawn for an inactive one; NaN where that is not known, or where the position says it.
    is_fresh (k,): whether it was drawn from the distribution that it is told to. losses (k,): infinite if it failed.
    """

    units: Floats
    places: Floats
    is_fresh: Booleans
    losses: Floats


def first_run(layout: Layout, sigma: float, population: int) -> Evolution:
    """Begins at the guesses of priors, then the first starting point, then the middle; sigma: standard deviation."""
    space, mean, deviations = layout.space, np.full(len(layout.numeric), 0.5), np.full(len(layout.numeric), sigma)
    start = space.encode(space.starts[0])[0][layout.numeric] if space.starts else mean
    mean = np.where(np.isnan(start), mean, start)
    parameters = list(space.parameters.values())
    for i, j in enumerate(layout.numeric):
        if parameters[j].has_prior:
            mean[i] = parameters[j].scale().encode(parameters[j].prior.guess)[0]
            deviations[i] = min(sigma, parameters[j].prior.spread)
    chances = categories.begin(layout.counts.tolist())
    for i, j in enumerate(layout.choice):
        if parameters[j].has_prior:
            place = parameters[j].scale().encode(parameters[j].prior.guess)[0] * layout.counts[i]
            chances[i][:] *= parameters[j].prior.spread
            chances[i][int(place)] += 1.0 - parameters[j].prior.spread
    return Evolution(_begun(mean, deviations), chances, 0, population)


def next_run(layout: Layout, before: Evolution, sigma: float, generator: Generator) -> Evolution:
    """Begins anywhere, with twice the population (IPOP: Auger & Hansen 2005)."""
    n = len(layout.numeric)
    normal = _begun(generator.random(n), np.full(n, sigma))
    return Evolution(normal, categories.begin(layout.counts.tolist()), before.run + 1, 2 * before.population)


def samples(layout: Layout, evolution: Evolution, generator: Generator, count: int) -> Floats:
    """(count, d) draws in the unit cube, those that needed no clipping first.

    The part of the normal beyond the ends of a countable column belongs to its first and last value.
    """
    drawn = cma.ask(evolution.normal, generator, count)
    kept = drawn.clip(0.0, 1.0)
    is_moved = ((drawn != kept) & ~layout.is_countable).any(axis=1)
    units = np.full((count, layout.space.dimension), 0.5)
    units[:, layout.numeric] = kept
    units[:, layout.choice] = (categories.ask(evolution.chances, generator, count) + 0.5) / layout.counts
    return units[np.argsort(is_moved, kind="stable")]


def after(layout: Layout, evolution: Evolution, generation: Generation) -> Evolution:
    """What a generation of at least two results makes of the distribution.

    A clipped draw is told as what it was clipped to, because the loss is that of the clipped one.
    """
    normal, losses = evolution.normal, generation.losses
    numeric, chosen = generation.units[:, layout.numeric], generation.units[:, layout.choice]
    is_active = ~np.isnan(numeric)
    known = np.where(np.isnan(generation.places), numeric, generation.places)
    solutions = np.where(np.isnan(known), normal.mean, known)
    solutions = np.where(generation.is_fresh[:, None], solutions, cma.clipped(normal, solutions))
    moved = cma.tell(normal, solutions, losses, active=is_active)
    moved = _bounded(layout, moved, 1.0 / (layout.dimension * evolution.population))
    indices = np.where(np.isnan(chosen), -1, chosen * layout.counts).astype(np.int64)
    weights = cma.rates(layout.dimension, len(losses)).weights
    chances = categories.tell(evolution.chances, indices, cma.shared(np.maximum(weights, 0.0), losses))
    bests = (*evolution.bests, float(losses.min()))[-3 * _patience(layout, evolution) :]
    return replace(evolution, normal=moved, chances=chances, bests=bests)


def is_spent(layout: Layout, evolution: Evolution) -> bool:
    """Whether the run has arrived, has gone flat, or has not got lower for long."""
    patience, bests = _patience(layout, evolution), np.array(evolution.bests)
    deviations = evolution.normal.deviations[~layout.is_countable]
    if len(deviations) and deviations.max() < _NARROW:
        return True
    if len(bests) >= patience and _is_flat(bests[-patience:]):
        return True
    return len(bests) >= 3 * patience and bool(bests[0] <= bests[1:].min())


def _patience(layout: Layout, evolution: Evolution) -> int:
    """Generations: 10 + 30 n / lambda, over which the tutorial's TolFun looks (its appendix B.3)."""
    return 10 + math.ceil(30 * layout.dimension / evolution.population)


def _is_flat(losses: Floats) -> bool:
    if np.isinf(losses).any():
        return bool(np.isinf(losses).all())
    return bool(np.ptp(losses) <= 1e-9 * np.abs(losses).max())


def _begun(mean: Floats, deviations: Floats) -> Normal:
    return cma.begin(mean, deviations, is_separable=len(mean) > _MANY)


def _bounded(layout: Layout, normal: Normal, probability: float) -> Normal:
    """The normal with its mean in the cube, no deviation above the widest, and its margin."""
    widest = normal.deviations.max(initial=0.0)
    if widest > _WIDEST:
        normal = cma.with_sigma(normal, normal.sigma * _WIDEST / widest)
    if not layout.is_countable.any():
        return normal
    return with_margin(normal, *layout.cells(normal.mean.clip(0.0, 1.0)), probability)


def dominated(losses: Floats) -> Floats:
    """(k,) one loss for each row of losses (k, m): itself, or how many other rows are better in all respects.

    NaN, which stands for no result, becomes infinite.
    """
    if losses.shape[1] == 1:
        ranks = losses[:, 0]
    else:
        weakly = (losses[:, None] <= losses[None]).all(axis=2)
        ranks = np.where(np.isnan(losses).any(axis=1), np.nan, (weakly & ~weakly.T).sum(axis=0).astype(np.float64))
    return np.where(np.isnan(ranks), np.inf, ranks)
