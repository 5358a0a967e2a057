"""Classical functions of real numbers. An instance moves the optimum, and turns the axes where that changes something.

Formulas: Surjanovic & Bingham, Virtual Library of Simulation Experiments (sfu.ca/~ssurjano).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Problem, Values, generator, zero
from cotune.space import Float, Space

Vector = NDArray[np.float64]
Function = Callable[[Vector], float]

_STYBLINSKI_TANG = -2.903534027771177  # the root of 4x^3 - 32x + 5 at which x^4 - 16x^2 + 5x is lowest
_HARTMANN_A = np.array([
    [10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14],
])  # fmt: skip
_HARTMANN_P = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip
_HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_BEST = np.array([0.20168951, 0.15001069, 0.47687397, 0.27533243, 0.31165162, 0.65730053])


def sphere(z: Vector) -> float:
    return float(z @ z)


def ellipsoid(z: Vector) -> float:
    """Axes from 1 to 1,000, so the condition number is 10^6."""
    return float(10.0 ** np.linspace(0, 6, len(z)) @ z**2)


def rosenbrock(z: Vector) -> float:
    """Moved so that the minimum 0 is at 0."""
    x = z + 1.0
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def ackley(z: Vector) -> float:
    wave = np.exp(np.cos(2.0 * np.pi * z).mean())
    return float(-20.0 * np.exp(-0.2 * np.sqrt((z**2).mean())) - wave + 20.0 + np.e)


def levy(z: Vector) -> float:
    """Moved so that the minimum 0 is at 0."""
    w = 1.0 + z / 4.0
    middle = (w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:-1] + 1.0) ** 2)
    last = (w[-1] - 1.0) ** 2 * (1.0 + np.sin(2.0 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + middle.sum() + last)


def rastrigin(z: Vector) -> float:
    return float(10.0 * len(z) + np.sum(z**2 - 10.0 * np.cos(2.0 * np.pi * z)))


def griewank(z: Vector) -> float:
    return float(z @ z / 4000.0 - np.prod(np.cos(z / np.sqrt(np.arange(1, len(z) + 1)))) + 1.0)


def styblinski_tang(x: Vector) -> float:
    """Per coordinate, above its minimum."""
    low = _STYBLINSKI_TANG**4 - 16.0 * _STYBLINSKI_TANG**2 + 5.0 * _STYBLINSKI_TANG
    return float(np.sum(x**4 - 16.0 * x**2 + 5.0 * x - low) / 2.0)


def branin(x: Vector) -> float:
    """On [-5, 10] x [0, 15], above its minimum 5/(4 pi)."""
    bend = x[1] - 5.1 / (4.0 * np.pi**2) * x[0] ** 2 + 5.0 / np.pi * x[0] - 6.0
    return float(bend**2 + 10.0 * (1.0 - 1.0 / (8.0 * np.pi)) * np.cos(x[0]) + 10.0 - 5.0 / (4.0 * np.pi))


def hartmann6(x: Vector) -> float:
    """On [0, 1]^6, above its minimum -3.3224."""
    bumps = lambda at: _HARTMANN_ALPHA @ np.exp(-np.sum(_HARTMANN_A * (at - _HARTMANN_P) ** 2, axis=1))  # noqa: E731
    return float(bumps(_HARTMANN_BEST) - bumps(x))


def shifted(name: str, regime: str, function: Function, d: int, half: float, *, turned: bool = False) -> Problem:
    """function(Q (x - s)) on [-half, half]^d; s lies uniformly within 80 % of the box, Q is a rotation or 1."""
    names = [f"x{i}" for i in range(d)]
    space = Space({word: Float(-half, half) for word in names})

    @cache
    def instance(seed: int) -> tuple[Vector, Vector]:
        random = generator(name, seed)
        shift = random.uniform(-0.8 * half, 0.8 * half, d)
        return shift, np.linalg.qr(random.standard_normal((d, d)))[0] if turned else np.eye(d)

    def loss(config: Values, seed: int) -> float:
        shift, rotation = instance(seed)
        return function(rotation @ (np.array([config[word] for word in names]) - shift))

    def optimum(seed: int) -> Values:
        return dict(zip(names, instance(seed)[0].tolist(), strict=True))

    return Problem(name, regime, space, loss, zero, optimum)


def mirrored(
    name: str, regime: str, function: Function, best: Vector, low: Vector, high: Vector, *, d: int = 0
) -> Problem:
    """The function with its axes permuted and some of them reversed; of d parameters, all others are idle.

    best (k,): its minimum, on the box from low (k,) to high (k,). Parameters lie in [0, 1].
    """
    k, d = len(best), d or len(best)
    names = [f"x{i}" for i in range(d)]
    space = Space({word: Float(0.0, 1.0) for word in names})

    @cache
    def instance(seed: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        random = generator(name, seed)
        return random.permutation(d)[:k], random.random(k) < 0.5

    def loss(config: Values, seed: int) -> float:
        places, is_reversed = instance(seed)
        x = np.array([config[names[place]] for place in places])
        return function(low + (high - low) * np.where(is_reversed, 1.0 - x, x))

    def optimum(seed: int) -> Values:
        places, is_reversed = instance(seed)
        x, at = np.full(d, 0.5), (best - low) / (high - low)
        x[places] = np.where(is_reversed, 1.0 - at, at)
        return dict(zip(names, x.tolist(), strict=True))

    return Problem(name, regime, space, loss, zero, optimum)


def hartmann_problem(name: str, regime: str, d: int = 6) -> Problem:
    return mirrored(name, regime, hartmann6, _HARTMANN_BEST, np.zeros(6), np.ones(6), d=d)


def styblinski_problem(name: str, regime: str, d: int) -> Problem:
    box = np.full(d, 5.0)
    return mirrored(name, regime, styblinski_tang, np.full(d, _STYBLINSKI_TANG), -box, box)


def branin_problem(name: str, regime: str) -> Problem:
    best = np.array([np.pi, 2.275])
    return mirrored(name, regime, branin, best, np.array([-5.0, 0.0]), np.array([10.0, 15.0]))


def smooth() -> list[Problem]:
    """Up to nine parameters, then ten to twenty."""
    few, many = "smooth", "high-dimensional"
    return [
        shifted("sphere5", few, sphere, 5, 5.0),
        shifted("rosenbrock5", few, rosenbrock, 5, 5.0),
        shifted("levy6", few, levy, 6, 10.0),
        hartmann_problem("hartmann6", few),
        branin_problem("branin", few),
        shifted("rastrigin5", few, rastrigin, 5, 5.12),
        shifted("ellipsoid6", few, ellipsoid, 6, 5.0, turned=True),
        shifted("griewank5", few, griewank, 5, 20.0, turned=True),
        styblinski_problem("styblinski_tang4", few, 4),
        shifted("rosenbrock8", few, rosenbrock, 8, 5.0, turned=True),
        shifted("ackley10", many, ackley, 10, 32.768),
        shifted("ellipsoid12", many, ellipsoid, 12, 5.0, turned=True),
        shifted("levy16", many, levy, 16, 10.0, turned=True),
        hartmann_problem("hartmann6_in_14", many, 14),
        shifted("sphere20", many, sphere, 20, 5.0),
        shifted("rosenbrock20", many, rosenbrock, 20, 5.0, turned=True),
        shifted("rastrigin20", many, rastrigin, 20, 5.12),
        shifted("griewank12", many, griewank, 12, 40.0, turned=True),
        styblinski_problem("styblinski_tang15", many, 15),
        shifted("ackley18", many, ackley, 18, 32.768, turned=True),
    ]
