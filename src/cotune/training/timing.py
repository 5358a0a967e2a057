"""How long a training step takes, by training a few."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

from cotune.training.loop import Run
from cotune.training.schedules import Pacer


def unpaced(run: Run) -> Run:
    """The run without its schedule, which may have an end."""
    run.pacer = Pacer(None, by_batch=True)
    return run


def endless(run: Run) -> Iterator[object]:
    """The run's steps, epoch after epoch, without its schedule."""
    unpaced(run)
    return itertools.chain.from_iterable(run.steps(epoch) for epoch in itertools.count())


def step_s(steps: Iterator[object], *, window_s: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds per step over at least `window_s`, after a first one that is not counted. steps: without an end."""
    next(steps)
    begun, spent, n = clock(), 0.0, 0
    while spent < window_s:
        next(steps)
        n += 1
        spent = clock() - begun
    return spent / n
