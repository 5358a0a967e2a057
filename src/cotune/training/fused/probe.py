"""Whether training side by side pays, measured on the user's own models and batches."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any, final

import torch

from cotune.training.fused.census import Census
from cotune.training.fused.kinds import Kind, Kinds, told
from cotune.training.fused.passes import BELIEVED, Recordings
from cotune.training.fused.population import Population
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.ticks import Phase
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task
from cotune.training.timing import endless, step_s, unpaced

FEWEST = 3
"""Fewer alike are never worth it."""
_LANES = (4, 8, 16, 32, 64)
_MOST_AT_ONCE, _MOST_KINDS = 32, 4
"""So many lanes and kinds are measured at most; what more lanes cost follows from two numbers of them."""
_GAIN = 1.15
"""Side by side must be so many times faster, because the measurement is noisy."""
_CLEAR = 1.5
"""A difference that is no noise."""
_NEARLY = 0.9
"""Of the numbers of lanes, the smallest that comes so near to the best: the fewer lanes, the better the suggestions."""
_GLANCE_S = 0.002
"""So many seconds tell about how long a search will take."""
_WINDOW_S, _ROUNDS, _ALONE = 0.01, 3, 4
"""So many seconds are measured at a time, in so many turns, and so many of a kind by themselves."""
_ENOUGH_S = 0.3
"""No further turn after so many seconds: long steps vary less, and cost the search more."""
_LONG_MS = 4.0
"""A step of so many milliseconds is nearly all arithmetic: if a few lanes do not gain by it, no number of them does."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """lanes: trials to train together, 1 for one after another.

    pays: which of the configurations drawn from the space are of kinds that gain by it. fills_up: whether lanes may
    differ in width. fused_ms, separate_ms: CPU time of one epoch of one trial of these kinds in either way; 0 where it
    was not measured. why: in words.
    """

    lanes: int
    pays: tuple[int, ...]
    fills_up: bool
    fused_ms: float
    separate_ms: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """As a setting of a study."""
        return {**asdict(self), "pays": list(self.pays)}


def apart(why: str, *, fused_ms: float = 0.0, separate_ms: float = 0.0) -> Verdict:
    """One trial after another."""
    return Verdict(1, (), False, fused_ms, separate_ms, why)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What an epoch of a trial of one kind costs, in milliseconds. share: of all trials. place: of one that is drawn.

    separate: by itself. tick, lane: what a pass costs, and each lane in it. phases, n: how an epoch of n lanes is made.
    """

    share: float
    place: int
    separate: float
    tick: float
    lane: float
    phases: Sequence[Phase]
    n: int

    def fused(self, lanes: int) -> float:
        """If so many trials of all kinds train at a time."""
        alike = max(lanes * self.share, 1.0)
        ends = [0, *(phase.until for phase in self.phases)]
        each = (
            (until - begun) * (self.tick + self.lane * (1 + phase.n / self.n * alike))
            for phase, (begun, until) in zip(self.phases, pairwise(ends), strict=True)
        )
        return sum(each) / alike

    def pays(self, lanes: int) -> bool:
        return lanes * self.share >= FEWEST and _GAIN * self.fused(lanes) <= self.separate

    def is_clear(self, lanes: int) -> bool:
        """Whether a second look would change nothing."""
        fused = self.fused(lanes)
        return _CLEAR * fused <= self.separate or _CLEAR * self.separate <= fused


@dataclass(frozen=True, slots=True)
class _Bench:
    """Makes runs of configurations, from the start."""

    task: Task
    device: str
    isolated: Isolated

    def run(self, seed: int, config: Mapping[str, Any]) -> Run:
        return Run(self.task, config, isolated=self.isolated, seed=seed, device=self.device)


def epoch_s(run: Run) -> float:
    """About how many seconds an epoch of a trial takes by itself, by a few steps; the run is spent."""
    return _window(endless(run), _GLANCE_S) * run.n_batches / 1e3


def probe(
    task: Task, kinds: Kinds, *, device: str, most: int, within_s: float = math.inf, spares_lanes: bool = True
) -> Verdict:
    """Measure a few steps each way, of each of the commonest kinds, and prove them on the way.

    most: lanes that are of use, by the budget of the search. within_s: after so many seconds no further kind is
    measured, unless the last one pays; what was not measured does not train together. spares_lanes: a few less at a
    time are better, because decisions follow from results. The answer is a measurement: keep it, because the bits of a
    result depend on it.
    """
    census, costs, refusals = kinds.census, list[_Cost](), list[Unfusable]()
    common = sorted((key for key in census.places if most * census.share(key) >= FEWEST), key=census.share)[::-1]
    with Isolated() as isolated:
        bench, begun = _Bench(task, device, isolated), time.perf_counter()
        look, ran_out = _Look(bench, kinds, most), False
        for key in common:
            is_late = bool(costs) and not costs[-1].pays(most) and time.perf_counter() - begun > within_s
            if is_late or len(costs) == _MOST_KINDS:
                break
            try:
                costs += look.at(key)
            except Unfusable as refusal:
                refusals.append(refusal)
            except (torch.OutOfMemoryError, MemoryError):  # then it does not pay
                ran_out = True
        if costs:
            return _judged(costs, most, _NEARLY if spares_lanes else 1.0, fills_up=census.widths is not None)
        if refusals:
            name = type(bench.run(0, census.drawn[census.places[common[0]][0]]).model).__name__
            return apart(f"cannot fuse {name}: {refusals[0]}")
        return apart("out of memory" if ran_out else f"of {most} trials at a time fewer than {FEWEST} would be alike")


@final
class _Look:
    """At what kinds cost, of which a trial may be of several: it counts as the most general that can be proven."""

    def __init__(self, bench: _Bench, kinds: Kinds, most: int) -> None:
        self._bench, self._kinds, self._most = bench, kinds, most
        self._is_hopeless = dict[Hashable, bool]()

    def at(self, key: Hashable) -> list[_Cost]:
        """What the kind with that signature costs; nothing if its trials count as another one. Raises Unfusable."""
        census, bench = self._kinds.census, self._bench
        run = bench.run(0, census.drawn[census.places[key][0]])
        form = next(census.forms(run))
        general = told(run, form)
        if general not in self._is_hopeless:
            cost = _hopeless(bench, _Sample.of(census, general, self._most), Kind(general, form))
            self._is_hopeless[general] = cost is not None
            if cost is not None:
                return [cost]
        if self._is_hopeless[general]:
            return []
        kind = self._kinds.of(run, bench.run, bench.isolated.seed)
        return [_cost(bench, _Sample.of(census, key, self._most), kind, self._most)] if kind.signature == key else []


@dataclass(frozen=True, slots=True)
class _Sample:
    """Of a kind. share: of all trials. place: of one that is drawn. n: how many would train at a time, at most.

    configs: by batch size.
    """

    share: float
    place: int
    n: int
    configs: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, census: Census, key: Hashable, most: int) -> _Sample:
        places, share = census.places[key], census.share(key)
        configs = sorted((census.drawn[at] for at in places), key=lambda config: config.get("batch_size", 0))
        return cls(share, places[0], min(_MOST_AT_ONCE, max(FEWEST, round(most * share))), configs)

    @property
    def few(self) -> int:
        return max(FEWEST - 1, self.n // 4)

    def population(self, bench: _Bench, kind: Kind, size: int, recordings: Recordings) -> Population:
        runs = [unpaced(bench.run(*one)) for one in enumerate(_spread(self.configs, size))]
        return Population(runs, kind.form, recordings=recordings)


def _hopeless(bench: _Bench, sample: _Sample, kind: Kind) -> _Cost | None:
    """What a kind costs whose steps are long and gain nothing in a few lanes, for which it need not be proven.

    None if that takes a closer look.
    """
    (config,) = _spread(sample.configs, 1)
    run = bench.run(0, config)
    step = _window(endless(run), _GLANCE_S)
    if step <= _LONG_MS:
        return None
    try:
        small = sample.population(bench, kind, sample.few, Recordings(often=math.inf))
        lane = _window(_ticks(small)) / (sample.few + 1)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - of code that is not proven; the proof will say what it is
        return None
    if lane <= step:
        return None
    return _Cost(sample.share, sample.place, step * run.n_batches, 0.0, lane, small.phases, sample.few)


def _cost(bench: _Bench, sample: _Sample, kind: Kind, most: int) -> _Cost:
    """Measure a kind. Windows take turns, and the least counts: other load only ever adds."""
    n, few, recordings = sample.n, sample.few, Recordings(often=0)
    alone = [bench.run(at, config) for at, config in enumerate(_spread(_spread(sample.configs, n), _ALONE))]
    small, large = (sample.population(bench, kind, size, recordings) for size in (few, n))
    timed = [*map(endless, alone), _ticks(small), _ticks(large)]
    begun = time.perf_counter()
    spent = [*map(_window, timed[:-2]), math.inf, math.inf]
    for steps in timed[-2:]:  # what a pass costs once it is recorded
        next(islice(steps, BELIEVED, None))
    for _ in range(_ROUNDS):
        spent = [min(before, _window(steps)) for before, steps in zip(spent, timed, strict=True)]
        *each, slow, fast = spent
        lane = max(0.0, (fast - slow) / (n - few)) if n > few else 0.0
        tick = max(0.0, fast - lane * (n + 1))
        cost = _Cost(sample.share, sample.place, _epoch(alone, each), tick, lane, large.phases, n)
        if cost.is_clear(most) or time.perf_counter() - begun > _ENOUGH_S:
            break
    return cost


def _epoch(runs: Sequence[Run], steps: Sequence[float]) -> float:
    """The mean of what their epochs take, by what their steps take."""
    return sum(ms * run.n_batches for ms, run in zip(steps, runs, strict=True)) / len(runs)


def _judged(costs: Sequence[_Cost], most: int, nearly: float, *, fills_up: bool) -> Verdict:
    numbers = sorted({n for n in (*_LANES, most) if FEWEST <= n <= most})
    totals = {
        lanes: sum(cost.share * (cost.fused(lanes) if cost.pays(lanes) else cost.separate) for cost in costs)
        for lanes in numbers
    }
    best = min(totals.values())
    lanes = min(n for n, ms in totals.items() if ms * nearly <= best)
    paying = [cost for cost in costs if cost.pays(lanes)]
    lanes = lanes if paying else most
    among = paying or costs
    share = sum(cost.share for cost in among)
    fused = sum(cost.share * cost.fused(lanes) for cost in among) / share
    separate = sum(cost.share * cost.separate for cost in among) / share
    why = f"{fused:.3g} ms per epoch of a trial in {lanes} lanes, {separate:.3g} ms by itself"
    if not paying:
        return apart(why, fused_ms=fused, separate_ms=separate)
    if share < 1:
        why += f", which {share:.0%} of the trials are alike enough for"
    return Verdict(lanes, tuple(cost.place for cost in paying), fills_up, fused, separate, why)


def _spread(items: Sequence[Any], n: int) -> list[Any]:
    """n of the items, evenly from first to last; some of them several times if there are fewer."""
    return [items[int((at + 0.5) * len(items) / n)] for at in range(n)]


def _ticks(population: Population) -> Iterator[Any]:
    """Ticks in which all lanes are, again and again."""
    epochs = [0] * len(population.runs)
    while True:
        for at, tick in enumerate(population.begin(epochs)):
            if at == population.phases[0].until:
                break
            yield population.step(tick)


def _window(steps: Iterator[Any], window_s: float = _WINDOW_S) -> float:
    """Milliseconds per step; with one thread of CPU, which other programs disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    return 1e3 * step_s(steps, window_s=window_s, clock=clock)
