"""Numbers, whole numbers and choices together. An instance draws the best config and the tables; its loss is 0.

Distances between values are those of their positions in [0, 1], so a log parameter counts orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Problem, Values, generator, zero
from benchmarks.problems.smooth import ackley, rosenbrock
from cotune.space import Categorical, Float, Int, Space

Table = Mapping[Any, float]


def places(space: Space, config: Values, names: Sequence[str]) -> NDArray[np.float64]:
    """Positions of values in [0, 1], in the order of `names`."""
    return np.array([space.parameters[name].scale().encode(config[name])[0] for name in names])


def penalties(random: np.random.Generator, choices: Sequence[Any], best: Any, low: float, high: float) -> Table:
    """0 for the best choice, something in [low, high) for every other."""
    return {choice: 0.0 if choice == best else random.uniform(low, high) for choice in choices}


def drawn(name: str, space: Space) -> Callable[[int], dict[str, Any]]:
    """The best config of each instance: a random one, its numbers away from the ends of their ranges."""
    is_number = space.positions.counts > 10

    @cache
    def target(seed: int) -> dict[str, Any]:
        random = generator(name, seed)
        units, _ = space.encode(space.sample(random))
        inner = np.where(is_number, 0.1 + 0.8 * units, units)
        return dict(space.decode(np.where(np.isnan(inner), 0.5, inner)))

    return target


def tables_of(
    name: str, space: Space, target: Callable[[int], Values], words: Sequence[str], low: float, high: float
) -> Callable[[int], dict[str, Table]]:
    """The penalties of each choice of the named parameters, by instance."""

    @cache
    def tables(seed: int) -> dict[str, Table]:
        random, best = generator(f"{name} tables", seed), target(seed)
        return {word: penalties(random, space.parameters[word].choices, best[word], low, high) for word in words}

    return tables


def network(name: str, regime: str = "mixed") -> Problem:
    """Ten parameters of a network's training; the best rate moves with the optimiser and with the batch size."""
    space = Space(
        optimizer=["sgd", "adam", "rmsprop"],
        activation=["relu", "gelu", "tanh", "silu", "elu"],
        augmentation=Categorical(["none", "light", "medium", "strong"], ordered=True),
        learning_rate=Float(1e-5, 1.0, log=True),
        weight_decay=Float(1e-6, 1e-1, log=True),
        batch_size=Int(16, 512, log=True),
        width=Int(16, 1024, log=True),
        depth=Int(1, 8),
        dropout=Float(0.0, 0.8),
        label_smoothing=Float(0.0, 0.3),
    )
    numbers = ["weight_decay", "batch_size", "width", "depth", "dropout", "label_smoothing", "augmentation"]
    weights = np.array([0.3, 0.3, 0.8, 0.6, 1.0, 0.1, 0.5])
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["optimizer", "activation"], 0.05, 0.3)

    def loss(config: Values, seed: int) -> float:
        best, table = target(seed), tables(seed)
        away = places(space, config, numbers) - places(space, best, numbers)
        move = 1.5 * table["optimizer"][config["optimizer"]] + 0.3 * away[1]  # the batch size is the second number
        rate = (places(space, config, ["learning_rate"]) - places(space, best, ["learning_rate"]))[0] - move
        chosen = sum(table[word][config[word]] for word in table)
        return float(3.0 * rate**2 + weights @ away**2 + chosen)

    return Problem(name, regime, space, loss, zero, target)


def staircase(name: str) -> Problem:
    """Ackley's function of three numbers and three wide whole numbers, two of them logarithmic."""
    space = Space(
        a=Int(1, 4096, log=True), b=Int(1, 256, log=True), c=Int(0, 60),
        x=Float(1e-4, 1e2, log=True), y=Float(-1.0, 1.0), z=Float(0.0, 10.0),
    )  # fmt: skip
    target = drawn(name, space)

    def loss(config: Values, seed: int) -> float:
        return max(0.0, ackley(12.0 * (places(space, config, space.names) - places(space, target(seed), space.names))))

    return Problem(name, "mixed", space, loss, zero, target)


def basins(name: str) -> Problem:
    """Ten unordered families, each with a best place and a depth of its own; one ordered choice for all."""
    space = Space(
        family=list("abcdefghij"),
        quality=Categorical([1, 2, 4, 8, 16, 32], ordered=True),
        **{f"x{i}": Float(0.0, 1.0) for i in range(4)},
    )
    names = [f"x{i}" for i in range(4)]
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["family"], 0.05, 0.6)

    @cache
    def centres(seed: int) -> dict[str, NDArray[np.float64]]:
        random = generator(f"{name} centres", seed)
        found = {family: random.uniform(0.1, 0.9, 4) for family in space.parameters["family"].choices}
        return {**found, target(seed)["family"]: places(space, target(seed), names)}

    def loss(config: Values, seed: int) -> float:
        family = config["family"]
        away = places(space, config, names) - centres(seed)[family]
        quality = (places(space, config, ["quality"]) - places(space, target(seed), ["quality"]))[0]
        return float(tables(seed)["family"][family] + 2.0 * away @ away + quality**2)

    return Problem(name, "mixed", space, loss, zero, target)


def chain(name: str) -> Problem:
    """Eight unordered choices of three to ten values; what each is worth depends on the one before it.

    The lowest sum over the chain of tables is found by dynamic programming.
    """
    counts = [4, 3, 6, 10, 5, 3, 8, 4]
    names = [f"part{i}" for i in range(len(counts))]
    space = Space({word: [f"v{v}" for v in range(count)] for word, count in zip(names, counts, strict=True)})

    @cache
    def links(seed: int) -> list[NDArray[np.float64]]:
        random = generator(name, seed)
        return [random.random((a, b)) ** 0.5 for a, b in zip(counts, counts[1:], strict=False)]

    def cheapest(seed: int) -> list[NDArray[np.float64]]:
        """Per part, the lowest sum of all links up to it, for each of its values."""
        sums = [np.zeros(counts[0])]
        for link in links(seed):
            sums.append((sums[-1][:, None] + link).min(axis=0))
        return sums

    @cache
    def best(seed: int) -> float:
        return float(cheapest(seed)[-1].min())

    def optimum(seed: int) -> Values:
        sums = cheapest(seed)
        path = [int(sums[-1].argmin())]
        for link, before in zip(reversed(links(seed)), reversed(sums[:-1]), strict=True):
            path.insert(0, int((before + link[:, path[0]]).argmin()))
        return {word: f"v{v}" for word, v in zip(names, path, strict=True)}

    def loss(config: Values, seed: int) -> float:
        path = [int(config[word][1:]) for word in names]
        return float(sum(link[a, b] for link, a, b in zip(links(seed), path, path[1:], strict=False)))

    return Problem(name, "mixed", space, loss, best, optimum)


def product(name: str) -> Problem:
    """1 minus a product of qualities: far from the best config all is equally bad, so one good value shows nothing."""
    space = Space(
        rate=Float(1e-6, 1e-1, log=True), decay=Float(1e-8, 1e-2, log=True), size=Int(8, 2048, log=True),
        rounds=Int(10, 200), share=Float(0.1, 1.0), kind=["p", "q", "r", "s"], norm=[None, "batch", "layer"],
        level=Categorical([0, 1, 2, 3, 4], ordered=True), fast=[False, True],
    )  # fmt: skip
    numbers = ["rate", "decay", "size", "rounds", "share", "level"]
    sharpness = np.array([12.0, 1.0, 5.0, 3.0, 3.0, 2.0])
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["kind", "norm", "fast"], 0.1, 0.8)

    def loss(config: Values, seed: int) -> float:
        away = places(space, config, numbers) - places(space, target(seed), numbers)
        chosen = sum(table[config[word]] for word, table in tables(seed).items())
        return float(-np.expm1(-(sharpness @ away**2) - chosen))

    return Problem(name, "mixed", space, loss, zero, target)


def ranks(name: str) -> Problem:
    """Ordered choices and small whole numbers, with a ripple over their ranks, and one unordered choice."""
    space = Space(
        a=Categorical([16, 32, 64, 128, 256, 512, 1024], ordered=True),
        b=Categorical([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1], ordered=True),
        c=Categorical(["xs", "s", "m", "l", "xl"], ordered=True),
        d=Int(1, 12), e=Int(0, 8), f=Int(2, 20, step=2),
        g=["u", "v", "w"],
    )  # fmt: skip
    numbers = ["a", "b", "c", "d", "e", "f"]
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["g"], 0.2, 0.6)

    def loss(config: Values, seed: int) -> float:
        away = places(space, config, numbers) - places(space, target(seed), numbers)
        ripple = 0.03 * np.sum(1.0 - np.cos(12.0 * away))
        return float(2.0 * away @ away + 1.5 * away[0] * away[1] + ripple + tables(seed)["g"][config["g"]])

    return Problem(name, "mixed", space, loss, zero, target)


def kernel(name: str, regime: str = "mixed") -> Problem:
    """A narrow valley between two logarithmic numbers; the kernel says in which direction it runs."""
    space = Space(
        kernel=["linear", "rbf", "poly", "sigmoid"],
        C=Float(1e-3, 1e3, log=True),
        gamma=Float(1e-5, 1e1, log=True),
        degree=Int(2, 6),
        tolerance=Float(1e-5, 1e-1, log=True),
        shrinking=[True, False],
    )
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["kernel", "shrinking"], 0.03, 0.25)
    slopes = {"linear": 0.0, "rbf": 1.0, "poly": -1.0, "sigmoid": 0.5}
    numbers = ["C", "gamma", "degree", "tolerance"]

    def loss(config: Values, seed: int) -> float:
        c, gamma, degree, tolerance = places(space, config, numbers) - places(space, target(seed), numbers)
        across, along = c + slopes[config["kernel"]] * gamma, gamma - slopes[config["kernel"]] * c
        chosen = sum(table[config[word]] for word, table in tables(seed).items())
        return float(8.0 * across**2 + 0.6 * along**2 + 0.3 * degree**2 + 0.05 * tolerance**2 + chosen)

    return Problem(name, regime, space, loss, zero, target)


def reflected(name: str) -> Problem:
    """The log of Rosenbrock's function of whole numbers and reals in turn; two choices reverse axes and add to it."""
    numbers = [f"n{i}" for i in range(3)] + [f"x{i}" for i in range(3)]
    space = Space(
        side=["left", "middle", "right"],
        mode=["p", "q", "r", "s"],
        **{word: Int(-5, 5) if word[0] == "n" else Float(-2.0, 2.0) for word in numbers},
    )
    order = [0, 3, 1, 4, 2, 5]
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["side", "mode"], 0.3, 2.0)

    def loss(config: Values, seed: int) -> float:
        best = target(seed)
        away = np.array([config[word] - best[word] for word in numbers])[order]
        sign = 1.0 if config["side"] == best["side"] else -1.0
        chosen = sum(table[config[word]] for word, table in tables(seed).items())
        return float(np.log1p(rosenbrock(sign * away)) + chosen)

    return Problem(name, "mixed", space, loss, zero, target)


def mixed() -> list[Problem]:
    """Eight structures."""
    return [
        network("network10"), staircase("staircase6"), basins("basins6"), chain("chain8"), product("product9"),
        ranks("ranks7"), kernel("kernel6"), reflected("reflected8"),
    ]  # fmt: skip
