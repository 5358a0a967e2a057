"""How much each hyperparameter matters, alone and with others: shares of the objective's variance over the space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Importance, Interaction, Share
from cotune.explain.surrogate import Landscape, Surrogate
from cotune.numerics import ped_anova
from cotune.numerics.sobol_indices import Shares, samples, shares
from cotune.seeds import Purpose, generator

Floats = NDArray[np.float64]

FEWEST_FOR_TOP = 20
_FEWEST_SAMPLES, _SAMPLES, _CELLS = 64, 1024, 4096
_INTERACTIONS = 10


def importances(
    model: Surrogate, landscape: Landscape, n_results: int, seed: int
) -> tuple[dict[str, Importance], tuple[Interaction, ...]]:
    """Each parameter's shares, the largest total first, and the largest interactions.

    Values are averages over draws of the surrogate, intervals their 5 % and 95 % quantiles (Oakley & O'Hagan 2004).
    """
    names, top = model.space.names, _top(model, landscape, n_results, seed)
    parts = [_shares(model, version) for version in range(len(model.paths))]
    first, total, pairs = (
        np.concatenate([getattr(part, kind)[..., 1:] for part in parts], axis=-1)
        for kind in ("first", "total", "pairs")
    )
    own = [
        Importance(name, _share(first[j]), _share(total[j]), None if top is None else float(top[j]))
        for j, name in enumerate(names)
    ]
    both = [Interaction(names[i], names[j], _share(pairs[i, j])) for i, j in combinations(range(len(names)), 2)]
    return (
        {one.name: one for one in sorted(own, key=lambda one: -one.total.value)},
        tuple(sorted(both, key=lambda one: -one.share.value)[:_INTERACTIONS]),
    )


def _top(model: Surrogate, landscape: Landscape, n_results: int, seed: int) -> Floats | None:
    """(d,) what matters for coming among the best 10 % of the space; None with too few results.

    On predictions at evenly spread configurations: the results of a search crowd where it expected good ones.
    """
    if n_results < FEWEST_FOR_TOP:
        return None
    positions = model.space.positions
    counts = np.where(positions.is_ordered, 0.0, positions.counts)
    return ped_anova.shares(landscape.units, landscape.losses, counts, generator(seed, Purpose.CHOOSE, 0, 1))


def _shares(model: Surrogate, version: int) -> Shares:
    """Of the mean and the draws of one version, each version with samples of its own."""
    d = model.space.dimension
    n = max(_FEWEST_SAMPLES, min(_SAMPLES, 2 ** int(math.log2(max(_CELLS // d, 1)))))
    here, there = (model.points(half) for half in samples(d, n, seed=1 + version))
    functions = model.paths[version]
    moves = model.moves(here.units, there.units), model.moves(there.units, here.units)
    a, b = functions.exchanged(here, there, *moves)
    return shares(a[0], b[0], a[1:], b[1:])


def _share(draws: Iterable[float]) -> Share:
    low, high = np.quantile(np.asarray(draws), [0.05, 0.95])
    value, low, high = (min(max(float(one), 0.0), 1.0) for one in (np.mean(np.asarray(draws)), low, high))
    return Share(value, min(low, value), max(high, value))
