"""Spaces whose parameters depend on each other. An instance draws the best config and the tables; its loss is 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.mixed import drawn, places, tables_of
from benchmarks.problems.problem import Problem, Values, generator, zero
from cotune.space import Categorical, Float, Int, Space, at_least, at_most, one_of


def _positions(name: str, space: Space, names: Sequence[str], target):  # noqa: ANN001, ANN202
    """(seed) -> where each named number is best: the target's place where that has the number, else a random one."""

    @cache
    def best(seed: int) -> dict[str, float]:
        random = generator(f"{name} places", seed)
        known = target(seed)
        return {
            word: float(places(space, known, [word])[0]) if word in known else float(where)
            for word, where in zip(names, random.uniform(0.1, 0.9, len(names)), strict=True)
        }

    return best


def _squares(space: Space, config: Values, best: dict[str, float]) -> dict[str, float]:
    """Squared distance of every active number from where it is best."""
    return {word: float(places(space, config, [word])[0] - at) ** 2 for word, at in best.items() if word in config}


def optimisers(name: str, regime: str = "conditional") -> Problem:
    """Three optimisers with parameters of their own; each has its own best learning rate."""
    space = Space(
        optimiser=["sgd", "adam", "rmsprop"],
        learning_rate=Float(1e-5, 1.0, log=True),
        batch_size=Int(8, 512, log=True),
        momentum=Float(0.0, 0.99, when={"optimiser": one_of("sgd", "rmsprop")}),
        nesterov=Categorical([False, True], when={"optimiser": "sgd"}),
        one_minus_beta1=Float(1e-3, 1.0, log=True, when={"optimiser": "adam"}),
        one_minus_beta2=Float(1e-5, 1e-1, log=True, when={"optimiser": "adam"}),
        epsilon=Float(1e-10, 1e-1, log=True, when={"optimiser": one_of("adam", "rmsprop")}),
        smoothing=Float(0.8, 0.999, when={"optimiser": "rmsprop"}),
    )
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["optimiser"], 0.03, 0.25)
    own = ["momentum", "one_minus_beta1", "one_minus_beta2", "epsilon", "smoothing", "batch_size"]
    best = _positions(name, space, own, target)

    @cache
    def rates(seed: int) -> dict[str, float]:
        random = generator(f"{name} rates", seed)
        found = {word: random.uniform(0.1, 0.9) for word in space.parameters["optimiser"].choices}
        known = float(places(space, target(seed), ["learning_rate"])[0])
        return {**found, target(seed)["optimiser"]: known}

    def loss(config: Values, seed: int) -> float:
        branch = config["optimiser"]
        rate = float(places(space, config, ["learning_rate"])[0]) - rates(seed)[branch]
        flat = 0.1 * (config.get("nesterov", True) != target(seed).get("nesterov", True))
        away = sum(_squares(space, config, best(seed)).values())
        return tables(seed)["optimiser"][branch] + 4.0 * rate**2 + 0.5 * away + flat

    return Problem(name, regime, space, loss, zero, target)


def layers(name: str) -> Problem:
    """Depth decides which layers have a width and a dropout; deeper layers weigh less."""
    deepest = 4
    space = Space(
        depth=Int(1, deepest),
        learning_rate=Float(1e-5, 1e-1, log=True),
        **{f"width{i}": Int(8, 1024, log=True, when={"depth": at_least(i)}) for i in range(1, deepest + 1)},
        **{f"dropout{i}": Float(0.0, 0.7, when={"depth": at_least(i)}) for i in range(1, deepest + 1)},
    )
    target = drawn(name, space)
    numbers = [word for word in space.names if word != "depth"]
    best = _positions(name, space, numbers, target)

    def loss(config: Values, seed: int) -> float:
        squares = _squares(space, config, best(seed))
        per_layer = sum(
            (2.0 * squares[f"width{i}"] + 0.7 * squares[f"dropout{i}"]) / i for i in range(1, config["depth"] + 1)
        )
        off = abs(config["depth"] - target(seed)["depth"])
        return 3.0 * squares["learning_rate"] + per_layer + 0.12 * off**1.5

    return Problem(name, "conditional", space, loss, zero, target)


def nested(name: str) -> Problem:
    """A pipeline with conditions on conditions, three deep: model, then its regulariser, then its strength."""
    space = Space(
        scaling=["none", "standard", "robust"],
        quantile=Float(0.01, 0.3, when={"scaling": "robust"}),
        model=["linear", "forest", "network"],
        penalty=Categorical(["l1", "l2", "elastic"], when={"model": "linear"}),
        strength=Float(1e-6, 1e2, log=True, when={"model": "linear"}),
        ratio=Float(0.0, 1.0, when={"penalty": "elastic"}),
        trees=Int(10, 1000, log=True, when={"model": "forest"}),
        deepest=Int(1, 20, when={"model": "forest"}),
        rate=Float(1e-5, 1e-1, log=True, when={"model": "network"}),
        regulariser=Categorical(["none", "dropout", "decay"], when={"model": "network"}),
        dropout=Float(0.0, 0.8, when={"regulariser": "dropout"}),
        decay=Float(1e-7, 1e-1, log=True, when={"regulariser": "decay"}),
        schedule=Categorical(["constant", "cosine"], when={"regulariser": "decay"}),
        warmup=Int(0, 50, when={"schedule": "cosine"}),
    )
    target = drawn(name, space)
    choices = ["scaling", "model", "penalty", "regulariser", "schedule"]
    numbers = [word for word in space.names if word not in choices]
    best = _positions(name, space, numbers, target)

    @cache
    def costs(seed: int) -> dict[str, dict[str, float]]:
        """0 for what the best config has; in branches that it does not have, every choice costs something."""
        random, known = generator(f"{name} costs", seed), target(seed)
        return {
            word: {
                choice: 0.0 if known.get(word) == choice else random.uniform(0.03, 0.2)
                for choice in space.parameters[word].choices
            }
            for word in choices
        }

    def loss(config: Values, seed: int) -> float:
        chosen = sum(table[config[word]] for word, table in costs(seed).items() if word in config)
        return chosen + 1.2 * sum(_squares(space, config, best(seed)).values())

    return Problem(name, "conditional", space, loss, zero, target)


def families(name: str, regime: str = "conditional") -> Problem:
    """Five families with one to five numbers; the larger a family, the lower its floor and the harder to reach it."""
    letters = "abcde"
    space = Space(
        family=list(letters),
        **{
            f"{letter}{i}": Float(1e-3, 1e3, log=True, when={"family": letter}) if i % 2 else
            Float(0.0, 1.0, when={"family": letter})
            for size, letter in enumerate(letters, start=1) for i in range(size)
        },
    )  # fmt: skip
    numbers = [word for word in space.names if word != "family"]

    @cache
    def instance(seed: int) -> tuple[dict[str, float], NDArray[np.float64]]:
        random = generator(name, seed)
        floors = np.array([0.4, 0.3, 0.2, 0.1, 0.0])[random.permutation(5) if seed % 2 else range(5)]
        return dict(zip(numbers, random.uniform(0.1, 0.9, len(numbers)), strict=True)), floors

    def optimum(seed: int) -> Values:
        best, floors = instance(seed)
        units = [(floors.argmin() + 0.5) / 5, *best.values()]
        return dict(space.decode(units))

    def loss(config: Values, seed: int) -> float:
        best, floors = instance(seed)
        squares = _squares(space, config, best)
        return float(floors[letters.index(config["family"])] + 1.5 * sum(squares.values()))

    return Problem(name, regime, space, loss, zero, optimum)


def stack(name: str) -> Problem:
    """Up to five layers, each of a kind with a size of its own; a layer's best size follows from the one before it."""
    deepest, kinds = 5, ["dense", "conv", "skip"]
    depth = {"depth": Int(1, deepest)}
    of_layer = {
        f"{word}{i}": parameter
        for i in range(1, deepest + 1)
        for word, parameter in {
            "kind": Categorical(kinds, when={"depth": at_least(i)}),
            "units": Int(16, 512, log=True, when={f"kind{i}": "dense"}),
            "filters": Int(1, 9, step=2, when={f"kind{i}": "conv"}),
        }.items()
    }
    space = Space({**depth, **of_layer, "learning_rate": Float(1e-5, 1e-1, log=True)})
    target = drawn(name, space)
    numbers = [word for word in space.names if word.startswith(("units", "filters", "learning_rate"))]
    best = _positions(name, space, numbers, target)

    @cache
    def costs(seed: int) -> dict[str, dict[str, float]]:
        random, known = generator(f"{name} costs", seed), target(seed)
        return {
            f"kind{i}": {
                kind: 0.0 if known.get(f"kind{i}") == kind else random.uniform(0.05, 0.2) for kind in kinds
            }
            for i in range(1, deepest + 1)
        }  # fmt: skip

    def loss(config: Values, seed: int) -> float:
        chosen = sum(table[config[word]] for word, table in costs(seed).items() if word in config)
        squares = sum(_squares(space, config, best(seed)).values())
        return chosen + squares + 0.15 * max(0, target(seed)["depth"] - config["depth"])

    return Problem(name, "conditional", space, loss, zero, target)


def tree(name: str) -> Problem:
    """Three questions, the second and third asked differently in every branch; each of eight leaves has a valley."""
    branches = ["", "l", "r", "ll", "lr", "rl", "rr"]
    leaves = [way + side for way in branches[3:] for side in "lr"]
    space = Space({
        **{f"turn_{way}": Categorical(["l", "r"], when=_way(way)) for way in branches},
        **{f"{word}_{leaf}": Float(0.0, 1.0, when=_way(leaf)) for leaf in leaves for word in ("x", "y")},
        "common": Float(1e-4, 1e0, log=True),
    })  # fmt: skip

    @cache
    def instance(seed: int) -> tuple[dict[str, float], NDArray[np.float64], float]:
        random = generator(name, seed)
        floors = np.linspace(0.0, 0.35, 8)[random.permutation(8)]
        numbers = [f"{word}_{leaf}" for leaf in leaves for word in ("x", "y")]
        return dict(zip(numbers, random.uniform(0.2, 0.8, 16), strict=True)), floors, random.uniform(0.1, 0.9)

    def optimum(seed: int) -> Values:
        best, floors, common = instance(seed)
        leaf = leaves[int(floors.argmin())]
        turns = {f"turn_{leaf[:i]}": leaf[i] for i in range(3)}
        rate = space.parameters["common"].scale().decode(common, 0.0)
        return {**turns, **{f"{word}_{leaf}": best[f"{word}_{leaf}"] for word in ("x", "y")}, "common": rate}

    def loss(config: Values, seed: int) -> float:
        best, floors, common = instance(seed)
        leaf = ""
        for _ in range(3):
            leaf += config[f"turn_{leaf}"]
        x, y = (config[f"{word}_{leaf}"] - best[f"{word}_{leaf}"] for word in ("x", "y"))
        valley = 5.0 * (y - x - x**2) ** 2 + 0.5 * x**2
        away = float(places(space, config, ["common"])[0]) - common
        return float(floors[leaves.index(leaf)] + valley + away**2)

    return Problem(name, "conditional", space, loss, zero, optimum)


def _way(way: str) -> dict[str, str] | None:
    """The condition that the last question on the way was answered so; the ones before follow from it."""
    return {f"turn_{way[:-1]}": way[-1]} if way else None


def switches(name: str) -> Problem:
    """Five regularisers, each on or off and with a strength; together they should come to a certain amount."""
    words = ["dropout", "decay", "noise", "mixup", "clip"]
    space = Space(
        learning_rate=Float(1e-5, 1e-1, log=True),
        **{f"use_{word}": Categorical([False, True]) for word in words},
        **{word: Float(1e-4, 1.0, log=True, when={f"use_{word}": True}) for word in words},
    )
    target = drawn(name, space)

    @cache
    def weights(seed: int) -> dict[str, float]:
        return dict(zip(words, generator(f"{name} weights", seed).uniform(0.3, 1.0, 5), strict=True))

    def amount(config: Values, seed: int) -> float:
        return sum(weights(seed)[word] * float(places(space, config, [word])[0]) for word in words if word in config)

    def loss(config: Values, seed: int) -> float:
        known = target(seed)
        wrong = sum(config[f"use_{word}"] != known[f"use_{word}"] for word in words)
        both = [word for word in words if word in config and word in known]
        away = sum((places(space, config, both) - places(space, known, both)) ** 2) if both else 0.0
        rate = (places(space, config, ["learning_rate"]) - places(space, known, ["learning_rate"]))[0]
        shift = amount(config, seed) - amount(known, seed)
        return float(2.0 * (rate + 0.2 * shift) ** 2 + 0.6 * shift**2 + 0.07 * wrong + 0.5 * away)

    return Problem(name, "conditional", space, loss, zero, target)


def schedules(name: str) -> Problem:
    """A schedule with parameters of its own; small batches open another parameter, and warm-up yet another."""
    space = Space(
        learning_rate=Float(1e-5, 1.0, log=True),
        batch_size=Int(4, 512, log=True),
        accumulation=Int(1, 16, log=True, when={"batch_size": at_most(32)}),
        schedule=["constant", "step", "cosine", "cycle"],
        gamma=Float(0.05, 0.9, when={"schedule": "step"}),
        every=Int(1, 30, when={"schedule": "step"}),
        restarts=Int(0, 5, when={"schedule": "cosine"}),
        floor=Float(1e-6, 1e-1, log=True, when={"schedule": one_of("cosine", "cycle")}),
        peak=Float(1.0, 20.0, when={"schedule": "cycle"}),
        warmup=Categorical([False, True], when={"schedule": one_of("constant", "step", "cosine")}),
        warmup_length=Float(0.01, 0.5, log=True, when={"warmup": True}),
    )
    target = drawn(name, space)
    tables = tables_of(name, space, target, ["schedule"], 0.05, 0.3)
    own = ["accumulation", "gamma", "every", "restarts", "floor", "peak", "warmup_length", "batch_size"]
    best = _positions(name, space, own, target)

    def loss(config: Values, seed: int) -> float:
        known = target(seed)
        size, rate = places(space, config, ["batch_size", "learning_rate"]) - places(
            space, known, ["batch_size", "learning_rate"]
        )
        cold = 0.08 * (config.get("warmup", True) != known.get("warmup", True))
        away = sum(_squares(space, config, best(seed)).values())
        table = tables(seed)["schedule"]
        return float(table[config["schedule"]] + 3.0 * (rate - 0.5 * size) ** 2 + 0.6 * away + cold)

    return Problem(name, "conditional", space, loss, zero, target)


def conditional() -> list[Problem]:
    """Eight structures."""
    return [
        optimisers("optimisers9"), layers("layers10"), nested("nested14"), families("families16"), stack("stack17"),
        tree("tree24"), switches("switches11"), schedules("schedules11"),
    ]  # fmt: skip
