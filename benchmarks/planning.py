"""CPU of a scheduler's decision in a study of 10,000 trials; suggestions cost nothing here. Bar: 1 ms on average.

One worker with four slots trains trials of 27 epochs whose losses are random numbers, lower with every rung, until
there are 10,000; the last 500 decisions are timed. Of each, planning counts, and not the folding of events. Run
`python -m benchmarks.planning`.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import numpy as np

import cotune as ct
from benchmarks.results import write
from cotune.records import (
    Checkpointed,
    Created,
    Draw,
    Finished,
    History,
    Reached,
    Reported,
    Resumed,
    Started,
    Suggestion,
)
from cotune.schedulers import ASHA, PBT, Hyperband, MedianStopping, Plain, Scheduler, SuccessiveHalving
from cotune.study.planner import Planner

STEPS, SLOTS, TRIALS, TIMED = 27, 4, 10_000, 500
SPACE = ct.Space(x=ct.Float(0.0, 1.0, schedule=True))


class Constant:
    """Suggests one configuration for ever."""

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        return [Suggestion(ct.Config({"x": 0.5}), {"strategy": "constant"}) for _ in range(n)]


def decisions_ms(scheduler: Scheduler, objectives: dict[str, bool]) -> list[float]:
    """Milliseconds of CPU of every decision."""
    history, random = History(SPACE), np.random.default_rng(0)
    history.extend([Created(SPACE.to_json(), objectives, 0, STEPS)])
    planner, spent = Planner(Constant(), scheduler), list[float]()
    quality = random.random((TRIALS + SLOTS, len(objectives)))
    while len(history) < TRIALS:
        begun = time.process_time()
        events = planner.plan(history, SLOTS - len(history.running), "w")
        spent.append(1e3 * (time.process_time() - begun))
        history.extend(events)
        for event in events:
            if isinstance(event, Started | Resumed) and event.number < TRIALS:
                train(history, event.number, quality[event.number])
    return spent


def train(history: History, number: int, quality: np.ndarray) -> None:
    """A trial goes to its milestone; nothing is reported on the way."""
    epoch, until = history.epoch(number), history.until(number) or STEPS
    values = {name: float(value) + 1 / until for name, value in zip(history.objectives, quality, strict=True)}
    history.extend([Reported(number, epoch, [until], {name: [value] for name, value in values.items()})])
    history.extend([Checkpointed(number, epoch, until, f"{number}-{epoch}-{until}", "")])
    history.extend([
        Reached(number, epoch, until) if until < STEPS else Finished(number, epoch, until, values)
    ])  # fmt: skip


def row(name: str, scheduler: Scheduler, objectives: dict[str, bool]) -> dict[str, Any]:
    spent = decisions_ms(scheduler, objectives)
    last = spent[-TIMED:]
    return {
        "scheduler": name, "objectives": len(objectives), "trials": TRIALS, "decisions": len(spent),
        "mean_ms": f"{statistics.mean(last):.3f}", "p99_ms": f"{sorted(last)[math.ceil(0.99 * len(last)) - 1]:.3f}",
        "bar_ms": 1.0,
    }  # fmt: skip


def main() -> None:
    schedulers: dict[str, Scheduler] = {
        "none": Plain(), "asha": ASHA(), "halving": SuccessiveHalving(), "hyperband": Hyperband(),
        "median": MedianStopping(), "pbt": PBT(), "pbt of 64": PBT(64), "pbt asynchronous": PBT(asynchronous=True),
    }  # fmt: skip
    rows = [row(name, scheduler, {"value": False}) for name, scheduler in schedulers.items()]
    write("planning", [*rows, row("asha", ASHA(), {"a": False, "b": False})])


if __name__ == "__main__":
    main()
