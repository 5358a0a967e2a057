"""Models fitted to large tables of real trainings: two networks and boosted trees. Sources: benchmarks/data/README.md.

Their best losses are the lowest that a search found (scales.csv), so a regret may be a little below 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Problem, Values, lowest_known
from benchmarks.problems.tables import Arrays, arrays, space_of
from cotune.space import Space

_WARPS: dict[str, Callable[[float], float]] = {
    "linear": lambda value: value,
    "log": lambda value: float(np.log(value + 1e-12)),
    "decay": lambda value: float(np.exp(-value)),
}


@cache
def _network(suite: str) -> Arrays:
    """The weights, in double precision."""
    stored = arrays(suite, "network")
    return {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in stored.items()}


def through(suite: str, space: Space, begun: NDArray[np.float64], config: Values) -> NDArray[np.float64]:
    """The accuracies that a suite's network expects of a config. begun (k, h): what enters its first layer besides.

    Residual blocks with gates, h + J (a * relu(b)) with (a, b) = S h, batch normalisation folded into S; the data set
    and the choices are vectors added to the first layer. An inactive number counts as 0. Returns (k,).
    """
    net = _network(suite)
    inputs = [
        _WARPS[str(warp)](float(config.get(str(column), 0.0)))
        for column, warp in zip(net["columns"], net["warp"], strict=True)
    ]
    hidden = begun + net["first"] @ ((np.array(inputs) - net["low"]) / net["width"])
    for word, parameter in space.parameters.items():
        if f"choice_{word}" in net:
            hidden = hidden + net[f"choice_{word}"][parameter.choices.index(config[word])]
    for block in count():
        if f"split_{block}" not in net:
            break
        value, gate = np.split(hidden @ net[f"split_{block}"].T + net[f"split_bias_{block}"], 2, axis=-1)
        hidden = hidden + (value * np.maximum(gate, 0.0)) @ net[f"join_{block}"].T + net[f"join_bias_{block}"]
    last = np.maximum(net["last_scale"] * hidden + net["last_shift"], 0.0) @ net["head"] + net["head_bias"]
    width, low = net["out"]
    expected: NDArray[np.float64] = np.exp(width / (1.0 + np.exp(-last)) + low)
    return expected


def predicted(suite: str, space: Space, data_set: str, config: Values) -> float:
    """The accuracy that the network expects after full training on a data set."""
    return float(through(suite, space, _network(suite)[f"start_{data_set}"], config))


def network(suite: str, data_set: str) -> Problem:
    """Minus the accuracy that a network expects."""
    name, space = f"{suite}/{data_set}", space_of(suite)
    return Problem(
        name, "table", space, lambda config, seed: -predicted(suite, space, data_set, config), lowest_known(name)
    )


def descended(trees: Arrays, model: int, inputs: NDArray[np.float32]) -> float:
    """The sum of an ensemble's leaves: all its trees walk down together, one level at a time."""
    left, right, feature, threshold = (trees[f"{part}{model}"] for part in ("left", "right", "feature", "threshold"))
    node = trees[f"root{model}"]
    while (inner := left[node] >= 0).any():
        below = np.where(inputs[feature[node]] < threshold[node], left[node], right[node])
        node = np.where(inner, below, node)
    return float(threshold[node].sum(dtype=np.float64) + trees[f"base{model}"])


def boosted(suite: str, data_set: str) -> Problem:
    """Minus the accuracy that boosted trees expect; for each set of active inputs there is an ensemble of its own."""
    name = f"{suite}/{data_set}"
    space, trees = space_of(name), arrays(suite, data_set)
    models = {frozenset(trees[f"inputs{m}"].tolist()): m for m in range(4)}

    def loss(config: Values, seed: int) -> float:
        model = models[frozenset(word for word in config if not word.startswith("use_"))]
        inputs = np.array([config[str(word)] for word in trees[f"inputs{model}"]], dtype=np.float32)
        return -descended(trees, model, inputs)

    return Problem(name, "table", space, loss, lowest_known(name))


def surrogates() -> list[Problem]:
    """Networks and trees."""
    networks = {
        "lcbench": ["7593", "126025", "167200", "168331"],
        "rbv2_xgboost": ["1050", "60", "1489", "41142", "470"],
    }
    return [
        *(network(suite, data_set) for suite, data_sets in networks.items() for data_set in data_sets),
        boosted("hss", "mnist"),
        boosted("hss", "fashion_mnist"),
    ]
