"""Many workers on a virtual clock, for objectives that know their results at once: recorded learning curves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

from cotune.config import Config
from cotune.errors import StudyError
from cotune.executors.equipment import Equipment
from cotune.executors.executor import Emit, Executor, emit_unless_lost
from cotune.executors.inline import Inline
from cotune.records import Event, Failed, Finished, Job, Reached, Released, Reported, whole_number


def one_second(config: Config, epoch: int) -> float:
    """Every epoch takes a second."""
    return 1.0


@dataclass(frozen=True)
class Simulated:
    """Trains as `Inline` does, and lets results arrive when they would have, had `workers` trained side by side.

    So a search over recorded curves that would take a cluster a week is over in seconds, and decides what it would have
    decided there. workers: trials at a time. seconds: how long an epoch (from 0) of a configuration takes; None: one
    second. The log holds these seconds, not the real ones.
    """

    workers: int = 1
    seconds: Callable[[Config, int], float] | None = None

    def __post_init__(self) -> None:
        whole_number("Simulated(workers=", self.workers)
        if self.seconds is not None and not callable(self.seconds):
            raise StudyError(
                f"Simulated(seconds={self.seconds!r}) takes a function of (config, epoch), e.g. lambda c, e: 3.5"
            )

    def equip(self, equipment: Equipment) -> Executor:
        """The executor, ready to work off what the equipment says."""
        return _SimulatedExecutor(self.workers, self.seconds or one_second, equipment)


@dataclass(order=True)
class _Arrival:
    """What a job leaves in the log when the clock shows `at_s`."""

    at_s: float
    number: int
    epoch: int
    events: list[Event]

    @property
    def given_back(self) -> list[Event]:
        """What it leaves if somebody asks to stop before that time: nothing that it has not trained yet."""
        return self.events if isinstance(self.events[-1], Released) else [Released(self.number, self.epoch)]


class _SimulatedExecutor:
    def __init__(self, workers: int, seconds: Callable[[Config, int], float], equipment: Equipment) -> None:
        self.slots = workers
        self._seconds, self._interruption = seconds, equipment.interruption
        self._inline = Inline().equip(replace(equipment, judge=None))  # its clock runs ahead of the log's
        self._jobs: deque[Job] = deque()
        self._arrivals: list[_Arrival] = []
        self._now_s = 0.0

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def wait(self, timeout_s: float, emit: Emit) -> None:
        """Work off what is new, and turn the clock to the next arrival; at once, whatever the clock says."""
        while self._jobs:
            heappush(self._arrivals, self._worked_off(self._jobs.popleft()))
        if self._interruption.is_requested:
            for arrival in sorted(self._arrivals):
                emit_unless_lost(arrival.given_back, emit)
            self._arrivals.clear()
        elif self._arrivals:
            arrival = heappop(self._arrivals)
            self._now_s = arrival.at_s
            emit_unless_lost(arrival.events, emit)
        else:
            time.sleep(timeout_s)

    def close(self) -> None:
        self._jobs.clear()
        self._arrivals.clear()
        self._inline.close()

    def _worked_off(self, job: Job) -> _Arrival:
        """Train a job now, for a later arrival."""
        events: list[Event] = []
        self._inline.submit([job])
        self._inline.wait(0.0, events.extend)
        last = max([job.step, *(event.steps[-1] for event in events if isinstance(event, Reported))])
        taken_s = sum(self._seconds(job.config, epoch) for epoch in range(job.step, last))
        timed = [_taking(event, taken_s) for event in events]
        return _Arrival(self._now_s + taken_s, job.number, job.epoch, timed)


def _taking(event: Event, seconds: float) -> Event:
    """The event with virtual seconds in place of real ones."""
    ended: Any = event
    return replace(ended, seconds=seconds) if isinstance(event, Reached | Released | Finished | Failed) else event
