"""The one place where strategy, scheduler, executor and log meet.

Wait, log, fold, plan, log, submit. It knows nothing of how to choose or to train.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cotune.config import Config
from cotune.errors import StudyStopped
from cotune.executors.executor import Executor, isolates
from cotune.executors.interruption import Interruption
from cotune.records import (
    Event,
    Failed,
    Finished,
    History,
    Job,
    Reached,
    Resumed,
    Started,
    State,
)
from cotune.seeds import Purpose, integer
from cotune.study.log import Log
from cotune.study.planner import Planner
from cotune.study.stopping import EXHAUSTED

ALIKE = 3
"""A search whose first trials all fail in the same way stops after this many."""
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Search:
    """One worker's part in a search. watch: called with the history whenever it may have changed."""

    log: Log
    planner: Planner
    executor: Executor
    interruption: Interruption
    watch: Callable[[History], None]

    def run(self) -> None:
        """Train until the budget is spent, the search has ended, nothing is left to propose, or a signal asks to stop.

        Raises StudyStopped when the first three trials of this run all failed alike and none ever succeeded.
        """
        begun_at, spent_s = time.monotonic(), self.log.refresh().seconds
        outcomes, running = _Outcomes(), list[Job]()
        emit = partial(self._emit, outcomes)
        while not self.interruption.is_requested:
            seconds = self.planner.budget.seconds
            is_out_of_time = seconds is not None and spent_s + time.monotonic() - begun_at >= seconds
            is_hopeless = outcomes.are_alike(self.log.history)
            jobs = [] if is_out_of_time or is_hopeless else self._lease(self.executor.slots - len(running))
            running += jobs
            if not running and is_hopeless:
                raise outcomes.in_words()
            if not running and (is_out_of_time or not self._others_run()):
                if not is_out_of_time and self.planner.has_nothing_left(self.log.history):
                    self.log.renew(EXHAUSTED, len(self.log.history))
                return
            self.executor.submit(jobs)
            self.executor.wait(_POLL_S, emit)
            history = self.log.refresh()
            self.watch(history)
            running = [job for job in running if history.holds(job.number, job.epoch)]
        if running:  # the request came after the executor had looked for one: now it gives back what it holds
            self.executor.wait(0.0, emit)

    def _lease(self, slots: int) -> list[Job]:
        if slots <= 0:
            return []
        worker, isolated = self.log.worker, isolates(self.executor)
        events = self.log.decide(lambda history: self.planner.plan(history, slots, worker, isolated=isolated))
        self.watch(self.log.history)
        return [job_of(self.log.history, event.number) for event in events if isinstance(event, Started | Resumed)]

    def _others_run(self) -> bool:
        worker = self.log.worker
        return any(holder != worker for holder in self.log.history.running.values())

    def _emit(self, outcomes: _Outcomes, events: Sequence[Event]) -> None:
        self.log.record(events)
        outcomes.note(events)
        self.watch(self.log.history)


class _Outcomes:
    """How the first trials of this run ended."""

    def __init__(self) -> None:
        self._failures: list[Failed] = []
        self._is_watching = True

    def note(self, events: Sequence[Event]) -> None:
        if any(isinstance(event, Finished | Reached) for event in events):
            self._is_watching = False
        if self._is_watching:
            self._failures += [event for event in events if isinstance(event, Failed)]
            self._is_watching = len({_kind(failure) for failure in self._failures}) <= 1

    def are_alike(self, history: History) -> bool:
        """Whether all of them failed, in the same way, and nobody else's trial has a result."""
        return self._is_watching and len(self._failures) >= ALIKE and not history.count(State.DONE)

    def in_words(self) -> StudyStopped:
        """Why the search stops."""
        first = self._failures[0]
        detail = f"\n\n{first.traceback}" if first.traceback else ""
        return StudyStopped(
            f"the first {len(self._failures)} trials all failed alike ({first.cause}): {first.reason.rstrip('.')}. "
            f"Mend it and run the same line again; it tries {ALIKE} more.{detail}"
        )


def _kind(failure: Failed) -> tuple[str, str]:
    return failure.cause, failure.reason.partition(":")[0]


def job_of(history: History, number: int) -> Job:
    """All that is needed to train the current lease of a trial."""
    config: Config = history.config(number)
    parent, step = history.parent(number), history.step(number)
    is_new_fork = parent is not None and step == parent[1]
    trained_by = parent[0] if parent is not None and is_new_fork else number
    return Job(
        number=number, epoch=history.epoch(number), config=config, task=history.task(number),
        seed=integer(history.seed, Purpose.TRIAL, number), shared_seed=history.seed, step=step,
        until=history.until(number), steps=history.steps, checkpoint=history.checkpoint(number),
        reported=history.reported(trained_by, step), objectives=tuple(history.objectives),
        begun=history.begun(number), is_fork=parent is not None, attempts=history.attempts(number),
    )  # fmt: skip
