"""How the objective depends on one hyperparameter, all others averaged over the space (Friedman 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Dependence
from cotune.explain.results import Results
from cotune.explain.surrogate import Surrogate
from cotune.numerics.sobol_indices import samples

Floats = NDArray[np.float64]

_VALUES = 30
_SAMPLES = 128


def dependences(model: Surrogate, results: Results) -> dict[str, Dependence]:
    """That of every parameter, averaged over those configurations in which it is active."""
    inside = model.points(samples(model.space.dimension, _SAMPLES, seed=0)[0])
    return {
        name: _dependence(model, results, j, inside.units[inside.active[:, j]])
        for j, name in enumerate(model.space.names)
        if inside.active[:, j].any()
    }


def _dependence(model: Surrogate, results: Results, column: int, units: Floats) -> Dependence:
    name = model.space.names[column]
    parameter = model.space.parameters[name]
    values, scale = parameter.levels(_VALUES), parameter.scale()
    places = np.array([scale.encode(value)[0] for value in values])
    points, moves = model.points(units), model.moves(units, places[:, None], column)
    losses = np.stack([version.averages(points, places, moves) for version in model.paths])
    found = results.sign * (model.middle + model.spread * losses)
    mean = found[:, :, 0].mean(axis=0)
    draws = np.concatenate(list(found[:, :, 1:]), axis=-1)
    low, high = np.quantile(draws, [0.05, 0.95], axis=1)
    return Dependence(
        name=name, values=tuple(values), mean=tuple(mean.tolist()),
        low=tuple(np.minimum(low, mean).tolist()), high=tuple(np.maximum(high, mean).tolist()),
        counts=_coverage(results.units[:, column], places),
        is_log=bool(getattr(parameter, "log", False)), is_number=parameter.kind != "categorical",
    )  # fmt: skip


def _coverage(units: Floats, places: Floats) -> tuple[int, ...]:
    """How many results lie nearest to each of the places."""
    known = units[~np.isnan(units)]
    nearest = np.abs(known[:, None] - places).argmin(axis=1)
    return tuple(np.bincount(nearest, minlength=len(places)).tolist())
