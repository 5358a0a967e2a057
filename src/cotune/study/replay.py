"""Training one trial of a study again, to see whether the same comes out. Nothing is written. This file loads torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from cotune.errors import NoResult, StudyError
from cotune.executors.equipment import Enclosing, Equippable
from cotune.executors.executor import ENDS, Executor
from cotune.records import (
    ATTEMPTS,
    Checkpoint,
    Checkpointed,
    Event,
    Failed,
    Finished,
    History,
    Job,
    Reclaimed,
    Released,
    Reported,
    State,
    Trial,
)
from cotune.study.apart import trainer
from cotune.study.log import Log
from cotune.study.loop import job_of
from cotune.study.machine import changed, machine
from cotune.study.objectives import Target

_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Deviation:
    """A metric that came out otherwise, first at `step`."""

    metric: str
    step: int
    recorded: float
    replayed: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of training trial `number` again.

    steps: how many were compared. deviations: of metrics that were not the same to the last bit. machine: name ->
    (then, now) of versions and settings that are others than when the study was begun, and may explain it.
    """

    number: int
    steps: int
    deviations: tuple[Deviation, ...]
    machine: dict[str, tuple[Any, Any]]

    @property
    def is_same(self) -> bool:
        """Whether every metric of every step is the same to the last bit."""
        return not self.deviations


def replay(log: Log, target: Target, executor: Equippable, number: int) -> Replay:
    """Train a trial again, a fork with all that led to it, as the study's executor does; in one process, if in any.

    Raises NoResult for a trial that has reported nothing, StudyError if it fails this time.
    """
    history = log.refresh()
    recorded = history.trial(number)
    if not recorded.steps and not recorded.metrics:
        raise NoResult(f"trial {number} has nothing to compare with: it is {recorded.state}")
    alone = executor.alone if isinstance(executor, Enclosing) else executor
    with trainer(log, target, alone, "cotune: interrupted; nothing is written by a replay.") as (engine, _):
        trained = _trained(engine, history, number)
    differences = changed(history.settings.get("machine", {}), machine())
    return Replay(number, len(recorded.steps), tuple(_deviations(recorded, trained)), differences)


@dataclass(slots=True)
class _Trained:
    """What came of one job: metrics by step, its last state, and how it ended."""

    checkpoint: Checkpoint | None = None
    points: dict[int, dict[str, float]] = field(default_factory=dict)
    end: Event | None = None

    def take(self, events: Sequence[Event]) -> None:
        """As `Emit`."""
        for event in events:
            match event:
                case Reported():
                    for at, step in enumerate(event.steps):
                        values = {name: column[at] for name, column in event.metrics.items()}
                        self.points[step] = {name: v for name, v in values.items() if not math.isnan(v)}
                case Checkpointed():
                    self.checkpoint = Checkpoint(event.step, event.file, event.sha256)
                case Finished():
                    self.points.setdefault(event.step, {}).update(event.metrics)
            if isinstance(event, (*ENDS, Reclaimed)):
                self.end = event


def _trained(engine: Executor, history: History, number: int) -> _Trained:
    """Train all that led to a trial, and the trial itself, each until the next one went on from it."""
    line = history.lineage(number)
    found = _Trained()
    for at, (one, begin) in enumerate(line):
        job = replace(
            job_of(history, one), step=begin, reported=found.points.get(begin, {}), checkpoint=found.checkpoint,
            begun=0, is_fork=at > 0, attempts=ATTEMPTS,
        )  # fmt: skip
        found = _Trained(found.checkpoint)
        for until in _milestones(history, one, begin, line[at + 1][1] if at + 1 < len(line) else _last(history, one)):
            _train(engine, replace(job, until=until), found)
            if isinstance(found.end, Failed) and history.failure(one) is None:
                raise StudyError(f"trial {one} fails this time ({found.end.cause}): {found.end.reason}")
            step = until or 0
            job = replace(job, epoch=job.epoch + 1, step=step, checkpoint=found.checkpoint, is_fork=False)
            job = replace(job, reported=found.points.get(step, {}))
    return found


def _train(engine: Executor, job: Job, found: _Trained) -> None:
    found.end = None
    engine.submit([job])
    while found.end is None:
        engine.wait(_POLL_S, found.take)
    if isinstance(found.end, Released):
        raise KeyboardInterrupt
    if isinstance(found.end, Reclaimed):
        raise StudyError(f"trial {job.number} ends its process this time")


def _milestones(history: History, number: int, begin: int, last: int | None) -> list[int | None]:
    """Where a trial that keeps its state stopped on its way, which `trial.shares` depends on; and its last step."""
    if history.checkpoint(number) is None:
        return [last]
    steps = {arrival.step for arrival in history.arrivals if arrival.number == number}
    return [*sorted(step for step in steps if begin < step < (last or 0)), last]


def _last(history: History, number: int) -> int | None:
    """Where a trial was left; None if it came to its end, wherever that was."""
    state = history.state(number)
    return history.step(number) if state in (State.PAUSED, State.STOPPED) else history.steps


def _deviations(recorded: Trial, trained: _Trained) -> Iterator[Deviation]:
    """The first one of every metric; bits of a NaN do not count."""
    for name, values in recorded.curve.items():
        pairs = zip(recorded.steps, values, strict=True)
        yield from islice(_unlike(name, pairs, trained), 1)
    last = recorded.steps[-1] if recorded.steps else max(trained.points, default=1)
    for name, value in recorded.metrics.items():
        if name not in recorded.curve:
            yield from _unlike(name, [(last, value)], trained)


def _unlike(name: str, points: Iterable[tuple[int, float]], trained: _Trained) -> Iterator[Deviation]:
    for step, value in points:
        again = trained.points.get(step, {}).get(name, math.nan)
        if not (value == again or math.isnan(value) and math.isnan(again)):
            yield Deviation(name, step, value, again)
