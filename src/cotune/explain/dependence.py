"""How the objective depends on one hyperparameter, all others averaged over the space (Friedman 2001)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Dependence
from cotune.explain.results import Results
from cotune.explain.surrogate import Surrogate
from cotune.numerics.anova_paths import Hold
from cotune.numerics.sobol_indices import samples
from cotune.space import Space

Floats = NDArray[np.float64]

_VALUES = 30
_SAMPLES = 128


def dependences(model: Surrogate, results: Results) -> dict[str, Dependence]:
    """That of every parameter, averaged over those configurations in which it is active."""
    space = model.space
    inside = model.points(samples(space.dimension, _SAMPLES, seed=0)[0])
    values = {name: parameter.levels(_VALUES) for name, parameter in space.parameters.items()}
    columns = [j for j in range(space.dimension) if inside.active[:, j].any()]
    holds = [model.hold(inside.units, j, _places(space, space.names[j], values[space.names[j]])) for j in columns]
    versions = [version.averages(inside, holds) for version in model.paths]
    return {
        space.names[hold.column]: _dependence(
            model, results, hold, values[space.names[hold.column]], np.stack([version[i] for version in versions])
        )
        for i, hold in enumerate(holds)
    }


def _places(space: Space, name: str, values: Sequence[Any]) -> Floats:
    scale = space.parameters[name].scale()
    return np.array([scale.encode(value)[0] for value in values])


def _dependence(model: Surrogate, results: Results, hold: Hold, values: Sequence[Any], losses: Floats) -> Dependence:
    """losses (versions, k, 1 + draws): standardised, the mean of each version first."""
    name = model.space.names[hold.column]
    parameter = model.space.parameters[name]
    found = results.sign * (model.middle + model.spread * losses)
    mean = found[:, :, 0].mean(axis=0)
    low, high = np.quantile(np.concatenate(list(found[:, :, 1:]), axis=-1), [0.05, 0.95], axis=1)
    return Dependence(
        name=name, values=tuple(values), mean=tuple(mean.tolist()),
        low=tuple(np.minimum(low, mean).tolist()), high=tuple(np.maximum(high, mean).tolist()),
        counts=_coverage(results.units[:, hold.column], hold.values),
        is_log=bool(getattr(parameter, "log", False)), is_number=parameter.kind != "categorical",
    )  # fmt: skip


def _coverage(units: Floats, places: Floats) -> tuple[int, ...]:
    """How many results lie nearest to each of the places."""
    known = units[~np.isnan(units)]
    nearest = np.abs(known[:, None] - places).argmin(axis=1)
    return tuple(np.bincount(nearest, minlength=len(places)).tolist())
