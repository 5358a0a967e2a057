"""CPU per suggestion with ten parameters, on one thread, after 100, 500 and 10,000 trials.

A history of n trials is made first: its last 60 by the strategy itself, so that it goes on as in a long search, and
those before at random. Then 40 suggestions are timed, each with the result of the one before. The baseline is Optuna's
Gaussian process after 100 trials, asked in the same run. Bars: bayesian 30, 50 and 50 ms, and a fifth of Optuna's; tpe
2 ms after 100 and 5 ms after 10,000.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

import cotune as ct
from benchmarks import results, rivals
from benchmarks.searches import conversation, over_pipe
from cotune.records import Created, Finished, History, Reached, Reported, Resumed, Started, Suggestion
from cotune.seeds import Purpose, generator
from cotune.strategies import Random, Strategy

LENGTHS = (100, 500, 10_000)
WARM, TIMED = 60, 40
BARS = {("bayesian", 100): 30.0, ("bayesian", 500): 50.0, ("bayesian", 10_000): 50.0,
        **{(f"bayesian, {what}", n): 50.0 for n in LENGTHS for what in ("paused trials", "two objectives")},
        ("tpe", 100): 2.0, ("tpe", 10_000): 5.0}  # fmt: skip

NUMBERS = {f"x{i}": ct.Float(0.0, 1.0) for i in range(10)}
MIXED = {
    **{f"x{i}": ct.Float(0.0, 1.0) for i in range(5)}, "rate": ct.Float(1e-5, 1.0, log=True),
    "layers": ct.Int(1, 8), "kind": ["a", "b", "c"], "size": [16, 32, 64, 128],
    "momentum": ct.Float(0.0, 0.99, when={"kind": "b"}),
}  # fmt: skip


def loss(config: Mapping[str, Any]) -> float:
    """A bowl in the numbers, with a ripple, and steps for choices."""
    numbers = np.array([value for value in config.values() if isinstance(value, float)])
    bowl = float(((numbers - 0.4) ** 2 * np.arange(1, len(numbers) + 1)).sum() + 0.05 * np.sin(20 * numbers).sum())
    return bowl + {"a": 0.5, "b": 0.0, "c": 0.8}.get(config.get("kind", "b"), 0.0)


def draw(number: int) -> np.random.Generator:
    return generator(0, Purpose.CHOOSE, number)


def add(history: History, suggestion: Suggestion) -> None:
    number = len(history)
    record = dict(suggestion.decision)
    history.extend([
        Started(number, dict(suggestion.config), "w", None, record, history.position),
        Finished(number, 1, 1, {"value": loss(suggestion.config)}),
    ])  # fmt: skip


def add_paused(history: History, suggestion: Suggestion) -> None:
    """A trial that paused after its first epoch; one of three went on to its third."""
    number, value = len(history), loss(suggestion.config)
    started = Started(number, dict(suggestion.config), "w", 1, dict(suggestion.decision), history.position)
    history.extend([started, Reported(number, 1, [1], {"value": [value + 1.0]}), Reached(number, 1, 1)])
    if number % 3 == 0:
        resumed = Resumed(number, "w", 2, 3, history.position)
        history.extend([resumed, Reported(number, 2, [3], {"value": [value]}), Reached(number, 2, 3)])


def add_both(history: History, suggestion: Suggestion) -> None:
    """As a trial of two objectives: the other bowl has its bottom and its ripples elsewhere."""
    number, config = len(history), suggestion.config
    other = sum((x - 0.7) ** 2 + 0.05 * np.cos(17 * x) for x in config.values() if isinstance(x, float))
    history.extend([
        Started(number, dict(config), "w", None, dict(suggestion.decision), history.position),
        Finished(number, 1, 1, {"value": loss(config), "other": float(other)}),
    ])  # fmt: skip


def suggestion_ms(
    strategy: Strategy, space: ct.Space, n: int, add: Callable[[History, Suggestion], None] = add
) -> list[float]:
    """Milliseconds of CPU of each timed suggestion. add: what becomes of a trial."""
    history = History(space)
    objectives = {"value": False, "other": False} if add is add_both else {"value": False}
    history.extend([Created(space.to_json(), objectives, 0, 9)])
    while len(history) < n - WARM:
        add(history, Random().suggest(history, 1, draw)[0])
    spent = []
    for _ in range(WARM + TIMED):
        begun = time.process_time()
        suggestion = strategy.suggest(history, 1, draw)[0]
        spent.append(1e3 * (time.process_time() - begun))
        add(history, suggestion)
    return spent[WARM:]


def optuna_ms(space: ct.Space, n: int) -> list[float]:
    """The same for Optuna's Gaussian process, which is asked for all n trials."""
    talk = conversation("optuna")
    spent = over_pipe(talk, space, n + TIMED, lambda config, trial: loss(config), strategy="gp", seed=0)
    talk.close()
    return [1e3 * seconds for seconds in spent[n:]]


def main() -> None:
    torch.set_num_threads(1)
    made: dict[str, Callable[[], Strategy]] = {
        "bayesian": ct.BayesianOptimization, "tpe": ct.TPE, "cmaes": ct.CmaEs,
    }  # fmt: skip
    rows = []
    for kind, space in (("numbers", ct.Space(NUMBERS)), ("mixed", ct.Space(MIXED))):
        rival = statistics.mean(optuna_ms(space, 100))
        cases = [(name, make, add) for name, make in made.items()]
        others = {"bayesian, paused trials": add_paused, "bayesian, two objectives": add_both}
        cases += [(name, ct.BayesianOptimization, become) for name, become in others.items()]
        for name, make, become in cases:
            for n in LENGTHS:
                spent = suggestion_ms(make(), space, n, become)
                rows.append({
                    "space": kind, "strategy": name, "trials": n, "mean_ms": statistics.mean(spent),
                    "median_ms": statistics.median(spent), "max_ms": max(spent), "bar_ms": BARS.get((name, n), ""),
                    "rival": f"optuna {rivals.ask('optuna', 'version')} gp after 100 trials", "rival_ms": rival,
                    "ratio": rival / statistics.mean(spent),
                })  # fmt: skip
                print(rows[-1], flush=True)
    results.write("latency", rows)


if __name__ == "__main__":
    main()
