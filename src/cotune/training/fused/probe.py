"""Whether training side by side pays, measured on the user's own model and batches."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, final

import torch

from cotune.training.fused.kinds import Kind, Kinds
from cotune.training.fused.population import Population
from cotune.training.fused.refusal import Unfusable
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task
from cotune.training.timing import endless, step_s

_LANES = (4, 8, 16, 32)
_GAIN = 1.15
"""Side by side must be so many times faster, because the measurement is noisy."""
_NEARLY = 0.9
"""Of the numbers of lanes, the smallest that comes so near to the best: the fewer lanes, the better the suggestions."""
_WINDOW_S = 0.02
_ROUNDS = 3
FEWEST = 3
"""Fewer alike are never worth it."""
_SIZES = 4
"""So many batch sizes are timed by themselves; those between are interpolated."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """lanes: trials to train together, 1 for one after another. fewest: so many must be alike for it to pay.

    fused_ms, separate_ms: CPU time of one epoch of one trial in either way; 0 where it was not measured. why: in words.
    """

    lanes: int
    fewest: int
    fused_ms: float
    separate_ms: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """As a setting of a study."""
        return asdict(self)


def apart(why: str) -> Verdict:
    """One trial after another, for a reason that needs no measurement."""
    return Verdict(1, 1, 0.0, 0.0, why)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Makes runs of the configurations, one after the other and from the start again."""

    task: Task
    configs: Sequence[Mapping[str, Any]]
    device: str
    isolated: Isolated

    def run(self, at: int, changes: Mapping[str, Any] = MappingProxyType({})) -> Run:
        own = {**self.configs[at % len(self.configs)], **changes}
        return Run(self.task, own, isolated=self.isolated, seed=at, device=self.device)

    def twin(self, seed: int, changes: Mapping[str, Any]) -> Run:
        return Run(
            self.task, {**self.configs[0], **changes}, isolated=self.isolated, seed=seed, device=self.device
        )  # fmt: skip


def epoch_s(run: Run) -> float:
    """About how many seconds an epoch of a trial takes by itself, by a few steps; the run is spent."""
    return _window(endless(run)) * run.n_batches / 1e6


def probe(task: Task, configs: Sequence[Mapping[str, Any]], *, device: str, most: int) -> Verdict:
    """Measure a few steps each way, for half a second.

    configs: of one signature, as the search will meet them. most: lanes that are of use, by the budget of the search.
    The answer is a measurement: keep it, because the bits of a result depend on it.
    """
    with Isolated() as isolated:
        bench = _Bench(task, configs, device, isolated)
        run = bench.run(0)
        try:
            kind = Kinds().of(run, bench.twin, isolated.seed)
        except Unfusable as refusal:
            return apart(f"cannot fuse {type(run.model).__name__}: {refusal}")
        numbers = sorted({n for n in (*_LANES, most) if _LANES[0] <= n <= most})
        if not numbers:
            return apart("there are too few trials to train several at a time")
        return _judged(*_measured(bench, kind, numbers))


def _measured(bench: _Bench, kind: Kind, numbers: Sequence[int]) -> tuple[float, dict[int, float]]:
    """Milliseconds of CPU per epoch of one trial: by itself, and by the number of lanes. Windows take turns."""
    runs = {n: [bench.run(at) for at in range(n)] for n in numbers}
    if not kind.form.is_cut:
        runs = {n: [bench.run(0) for _ in range(n)] for n in numbers}
    sizes = _spread(sorted({run.batch_size for own in runs.values() for run in own}))
    alone = {size: endless(bench.run(0, {"batch_size": size} if kind.form.is_cut else {})) for size in sizes}
    together = {n: _Ticking(Population(own, kind.form)) for n, own in runs.items()}
    times: dict[tuple[str, int], float] = {}
    for _ in range(_ROUNDS):
        for name, timed in (("alone", alone), ("together", together)):
            for number, steps in timed.items():
                spent = _window(steps)
                times[name, number] = min(times.get((name, number), math.inf), spent)
    per_step = [times["alone", size] for size in sizes]
    separate = [run.n_batches * float(_interpolated(run.batch_size, sizes, per_step)) for run in runs[numbers[-1]]]
    fused = {n: times["together", n] * ticking.n_ticks / n for n, ticking in together.items()}
    return sum(separate) / len(separate) / 1e3, {n: us / 1e3 for n, us in fused.items()}


def _judged(separate: float, fused: Mapping[int, float]) -> Verdict:
    best = min(fused.values())
    lanes = min(n for n, ms in fused.items() if ms * _NEARLY <= best)
    ms = fused[lanes]
    numbers = f"{ms:.3g} ms per epoch of a trial in {lanes} lanes, {separate:.3g} ms by itself"
    if separate < _GAIN * ms:
        return Verdict(1, 1, ms, separate, numbers)
    return Verdict(lanes, _fewest(separate, fused), ms, separate, numbers)


def _fewest(separate: float, fused: Mapping[int, float]) -> int:
    """From how many lanes on it pays: an epoch costs a + b / lanes, by the two ends of what was measured.

    Twice as many as would break even, since lanes of a kind come and go.
    """
    low, high = min(fused), max(fused)
    if low == high:
        return low
    b = (fused[low] - fused[high]) / (1 / low - 1 / high)
    room = separate / _GAIN - (fused[high] - b / high)
    return min(high, max(FEWEST, math.ceil(2 * b / room))) if room > 0 else high


def _spread(sizes: Sequence[int]) -> list[int]:
    """At most `_SIZES` of the sizes, both ends among them."""
    places = {round(at * (len(sizes) - 1) / max(min(_SIZES, len(sizes)) - 1, 1)) for at in range(_SIZES)}
    return [sizes[place] for place in sorted(places) if place < len(sizes)]


def _interpolated(size: int, sizes: Sequence[int], times: Sequence[float]) -> float:
    for (low, before), (high, after) in itertools.pairwise(zip(sizes, times, strict=True)):
        if size <= high:
            return before + (after - before) * (size - low) / (high - low)
    return times[-1]


class _Ticking:
    """The ticks of a population, again and again. n_ticks: in an epoch."""

    def __init__(self, population: Population) -> None:
        self._population, self._epochs = population, [0] * len(population.runs)
        self.n_ticks = population.n_ticks
        self._ticks = population.begin(self._epochs)

    def __iter__(self) -> _Ticking:
        return self

    def __next__(self) -> Any:
        tick = next(self._ticks, None)
        if tick is None:
            self._ticks = self._population.begin(self._epochs)
            tick = next(self._ticks)
        return self._population.step(tick)


def _window(steps: Iterator[Any]) -> float:
    """Microseconds per step; with one thread of CPU, which other programs disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    return 1e6 * step_s(steps, window_s=_WINDOW_S, clock=clock)
