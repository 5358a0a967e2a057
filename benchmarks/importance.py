"""Importance against what is known: the largest error over all first and total order indices, and what it costs.

From 150 scrambled Sobol' points, 20 times, the median of the largest error; Optuna's fANOVA, which gives first order
indices only, is asked about the same points in the same run. Bars: 0.03 for the Ishigami function (a 7, b 0.1), 0.05
for Sobol's g-function in six dimensions. The cost is that of ten mixed, conditional parameters after 500 trials, bar
300 ms of CPU on one thread; beside it that of everything that `study.explain()` says.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.quasirandom import SobolEngine

import cotune as ct
from benchmarks import results, rivals
from benchmarks.latency import MIXED, loss
from cotune.explain import Insight
from cotune.explain.importance import importances
from cotune.explain.insights import insight
from cotune.explain.results import results as results_of
from cotune.explain.surrogate import landscape, surrogate
from cotune.numerics.threads import one_thread
from cotune.records import Created, Finished, History, Started

POINTS, SEEDS = 150, 20
TRIALS, ROUNDS, COST_BAR_MS = 500, 7, 300.0
G = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0])


def ishigami(x: np.ndarray) -> np.ndarray:
    """Ishigami & Homma 1990, x (n, 3) in [0, 1] stretched to [-pi, pi]."""
    a, b, c = (np.pi * (2 * x - 1)).T
    return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)


def g_function(x: np.ndarray) -> np.ndarray:
    """Saltelli & Sobol' 1995, x (n, 6) in [0, 1]."""
    return np.prod((np.abs(4 * x - 2) + G) / (1 + G), axis=1)


def ishigami_shares() -> tuple[np.ndarray, np.ndarray]:
    """First and total order indices in closed form."""
    alone = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    second, both = 49 / 8, 0.01 * np.pi**8 * (1 / 18 - 1 / 50)
    parts = np.array([alone, second, 0.0]), np.array([alone + both, second, both])
    return parts[0] / (alone + second + both), parts[1] / (alone + second + both)


def g_shares() -> tuple[np.ndarray, np.ndarray]:
    """First and total order indices in closed form."""
    own = 1 / (3 * (1 + G) ** 2)
    whole = np.prod(1 + own) - 1
    return own / whole, own * np.prod(1 + own) / (1 + own) / whole


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[[np.ndarray], np.ndarray]
    first: np.ndarray
    total: np.ndarray
    bar: float


CASES = (Case("ishigami", ishigami, *ishigami_shares(), 0.03), Case("g", g_function, *g_shares(), 0.05))


def history_of(space: ct.Space, configs: list, losses: list) -> History:
    history = History(space)
    history.extend([Created(space.to_json(), {"value": False}, 0, 1)])
    for number, (config, value) in enumerate(zip(configs, losses, strict=True)):
        history.extend([Started(number, dict(config), "w", None, {}, 0), Finished(number, 1, 1, {"value": value})])
    return history


def errors(case: Case, found: Insight) -> tuple[float, float, list[bool]]:
    """Largest error over all indices, over the first order ones, and of each whether its interval holds the truth."""
    own = [found.importance[f"x{j}"] for j in range(len(case.first))]
    pairs = [(one.first, truth) for one, truth in zip(own, case.first, strict=True)]
    pairs += [(one.total, truth) for one, truth in zip(own, case.total, strict=True)]
    away = [abs(share.value - truth) for share, truth in pairs]
    return max(away), max(away[: len(own)]), [share.low - 0.005 <= t <= share.high + 0.005 for share, t in pairs]


def accuracy(case: Case) -> dict:
    space = ct.Space({f"x{j}": ct.Float(0.0, 1.0) for j in range(len(case.first))})
    ours, first, covered, theirs = [], [], [], []
    for seed in range(SEEDS):
        engine = SobolEngine(len(case.first), scramble=True, seed=seed)
        points = engine.draw(POINTS, dtype=torch.float64).numpy()
        losses = case.function(points).tolist()
        found = insight(history_of(space, [space.decode(point) for point in points], losses))
        largest, of_first, inside = errors(case, found)
        ours.append(largest)
        first.append(of_first)
        covered += inside
        answer = rivals.ask("optuna", "fanova", points=points.tolist(), losses=losses, seed=seed)
        theirs.append(float(np.abs(np.array(answer) - case.first).max()))
    return {
        "case": case.name, "points": POINTS, "seeds": SEEDS, "error": statistics.median(ours), "bar": case.bar,
        "first_error": statistics.median(first), "worst_error": max(ours), "covered": statistics.fmean(covered),
        "rival": f"optuna {rivals.ask('optuna', 'version')} fANOVA", "rival_first_error": statistics.median(theirs),
    }  # fmt: skip


def cost() -> dict:
    """CPU milliseconds of the importance, and of the whole insight."""
    space, random = ct.Space(MIXED), np.random.default_rng(0)
    configs = [space.sample(random) for _ in range(TRIALS)]
    history = history_of(space, configs, [loss(config) for config in configs])
    spent, whole = [], []
    for _ in range(ROUNDS):
        begun = time.process_time()
        found = results_of(history, "value")
        with one_thread():
            model = surrogate(space, found, 0)
            importances(model, landscape(model), len(found), 0)
        spent.append(1e3 * (time.process_time() - begun))
        begun = time.process_time()
        insight(history)
        whole.append(1e3 * (time.process_time() - begun))
    return {"case": f"cost at {TRIALS} trials", "cpu_ms": statistics.median(spent), "bar_ms": COST_BAR_MS,
            "all_cpu_ms": statistics.median(whole)}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    rows = [*map(accuracy, CASES), cost()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    results.write("importance", [{name: row.get(name, "") for name in names} for row in rows])


if __name__ == "__main__":
    main()
