"""Whether training side by side pays, measured on the user's own model and batches."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import torch

from cotune.training.fused.lanes import Kind, Kinds
from cotune.training.fused.population import Population
from cotune.training.fused.refusal import Unfusable
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task

_LANES = (4, 8, 16, 32)
_GAIN = 1.15
"""Side by side must be so many times faster, because the measurement is noisy."""
_NEARLY = 0.9
"""Of the numbers of lanes, the smallest that comes so near to the best: the fewer lanes, the better the suggestions."""
_WINDOW_S = 0.02
_ROUNDS = 3


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """lanes: trials to train together, 1 for one after another. fewest: so many must be alike for it to pay.

    fused_us, separate_us: CPU time of one training step of one trial in either way; 0 where it was not measured. why:
    in words.
    """

    lanes: int
    fewest: int
    fused_us: float
    separate_us: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """As a setting of a study."""
        return asdict(self)


def probe(task: Task, config: Mapping[str, Any], *, device: str, most: int) -> Verdict:
    """Measure a few steps each way, for half a second. most: lanes that are of use, by the budget of the search.

    The answer is a measurement: keep it, because the bits of a result depend on it.
    """
    with Isolated() as isolated:

        def make(seed: int) -> Run:
            return Run(task, config, isolated=isolated, seed=seed, device=device)

        run = make(0)
        name = type(run.model).__name__
        try:
            kind = Kinds().of(run, make, isolated.seed)
        except Unfusable as refusal:
            return apart(f"cannot fuse {name}: {refusal}")
        numbers = sorted({n for n in (*_LANES, most) if _LANES[0] <= n <= most})
        if not numbers:
            return apart("there are too few trials to train several at a time")
        separate, fused = _measured(make, kind, numbers)
    return _judged(separate, fused)


def _measured(make: Callable[[int], Run], kind: Kind, numbers: Sequence[int]) -> tuple[float, dict[int, float]]:
    """Microseconds of CPU per step of one trial: by itself, and by the number of lanes. Windows take turns."""
    single = make(0)
    alone = _endless(single.steps)
    together = {n: _steps(Population([make(seed) for seed in range(n)], lifts=kind.lifts)) for n in numbers}
    next(alone)
    for steps in together.values():
        next(steps)
    separate = list[float]()
    fused: dict[int, list[float]] = {n: [] for n in numbers}
    for _ in range(_ROUNDS):
        separate.append(_window(alone))
        for n, steps in together.items():
            fused[n].append(_window(steps) / n)
    return min(separate), {n: min(times) for n, times in fused.items()}


def _judged(separate: float, fused: Mapping[int, float]) -> Verdict:
    best = min(fused.values())
    lanes = min(n for n, us in fused.items() if us * _NEARLY <= best)
    us = fused[lanes]
    numbers = f"{us:.0f} us per training step of a trial in {lanes} lanes, {separate:.0f} us by itself"
    if separate < _GAIN * us:
        return Verdict(1, 1, us, separate, numbers)
    return Verdict(lanes, _fewest(separate, fused), us, separate, numbers)


def apart(why: str) -> Verdict:
    """One trial after another, for a reason that needs no measurement."""
    return Verdict(1, 1, 0.0, 0.0, why)


def _fewest(separate: float, fused: Mapping[int, float]) -> int:
    """From how many lanes on the gain is `_GAIN`: a step costs a + b / lanes, by the two ends of what was measured."""
    low, high = min(fused), max(fused)
    if low == high:
        return low
    b = (fused[low] - fused[high]) / (1 / low - 1 / high)
    a = fused[high] - b / high
    room = separate / _GAIN - a
    return max(2, math.ceil(b / room)) if room > 0 else high


def _endless(epoch: Callable[[int], Iterator[Any]]) -> Iterator[Any]:
    return itertools.chain.from_iterable(epoch(number) for number in itertools.count())


def _steps(population: Population) -> Iterator[Any]:
    n = len(population.runs)
    for epoch in itertools.count():
        for batch in population.begin([epoch] * n):
            yield population.step(batch)


def _window(steps: Iterator[Any]) -> float:
    """Microseconds per step over at least `_WINDOW_S`; with one thread of CPU, which other programs disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun, n = clock(), 0
    while (spent := clock() - begun) < _WINDOW_S:
        next(steps)
        n += 1
    return 1e6 * spent / n
