"""Reports on their way to the log: at once if the last one is a second old, else together within the second."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping

from cotune.errors import LeaseLost, ReportError
from cotune.executors.executor import Emit
from cotune.executors.interruption import Interruption
from cotune.records import Event, Job, Reported

REPORT_S = 1.0
"""A report is in the log at most this many seconds after it was made."""


class Reports:
    """Points of one trial's curves that are not yet in the log.

    last: the metrics of the last step that was reported, `last_step`.
    """

    def __init__(self, job: Job, emit: Emit, interruption: Interruption) -> None:
        self.last: dict[str, float] = {}
        self.last_step = 0
        self._job, self._emit, self._interruption = job, emit, interruption
        self._points: dict[int, dict[str, float]] = {}
        self._lock = threading.RLock()
        self._written_at = -math.inf
        self._timer: threading.Timer | None = None
        self._lost: LeaseLost | None = None

    def resume(self, step: int, metrics: Mapping[str, float]) -> None:
        """Go on behind a step that an earlier lease reported."""
        self.last, self.last_step = dict(metrics), step

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take values of a step; several calls for one step add up, but no metric may come twice."""
        with self._lock:
            self._raise_if_lost()
            self._note(step, values)
            wait_s = self._written_at + REPORT_S - time.monotonic()
            if wait_s > 0:
                self._flush_in(wait_s)
                return
        self.flush()

    def flush(self, *more: Event) -> None:
        """Log what is held back, and `more` behind it."""
        with self._interruption.shielded(), self._lock:
            self._raise_if_lost()
            events = [*self.take(), *more]
            if events:
                self._emit(events)

    def take(self) -> list[Event]:
        """What is held back, as events that the caller logs."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._written_at = time.monotonic()
            points, self._points = self._points, {}
        return [reported(self._job, points)] if points else []

    def _note(self, step: int, values: Mapping[str, float]) -> None:
        known = self.last if step == self.last_step else {}
        twice = sorted(known.keys() & values.keys())
        if twice:
            raise ReportError(
                f"trial {self._job.number} reported {', '.join(twice)} twice for step {step}. "
                "Report each metric once per epoch, e.g. its mean over the batches."
            )
        # the whole point again: a later event for the same step replaces an earlier one
        self.last, self.last_step = {**known, **values}, step
        self._points[step] = self.last

    def _flush_in(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(wait_s, self._flush_late)
            self._timer.daemon = True
            self._timer.start()

    def _flush_late(self) -> None:
        with self._lock:
            self._timer = None
            try:
                events = self.take()
                if events:
                    self._emit(events)
            except LeaseLost as lost:
                self._lost = lost  # raised in the thread that trains, at its next report

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost


def reported(job: Job, points: Mapping[int, Mapping[str, float]]) -> Event:
    """Metrics by step, as one event."""
    names = dict.fromkeys(name for values in points.values() for name in values)
    columns = {name: [values.get(name, math.nan) for values in points.values()] for name in names}
    return Reported(job.number, job.epoch, list(points), columns)
