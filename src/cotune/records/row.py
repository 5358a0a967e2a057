"""The facts of one trial, as they pile up event by event."""

from __future__ import annotations

import json
import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cotune.config import Config
from cotune.records import events as e
from cotune.records.events import Event, JsonValue
from cotune.records.trial import TRANSITIONS, Checkpoint, Failure, State, Trial

_compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_ABSENT: Any = object()  # stands among the values for that of an inactive parameter


class Row:
    """One trial while its history is folded. `values` are its configuration in the order of the space's names."""

    __slots__ = (
        "attempts", "begun", "checkpoint", "curve", "epoch", "failure", "isolated", "metrics", "paid", "parent",
        "pausable", "record", "seconds", "state", "step", "steps", "strategy", "task", "until", "values", "worker",
    )  # fmt: skip

    def __init__(self, values: tuple[Any, ...], task: int) -> None:
        self.values, self.task = values, task
        self.state: State | None = None
        self.worker, self.epoch, self.attempts = "", 0, 0
        self.until: int | None = None
        self.begun = 0
        self.step, self.paid, self.seconds, self.pausable, self.isolated = 0, 0, 0.0, True, False
        self.record, self.strategy = "{}", ""
        self.parent: tuple[int, int] | None = None
        self.checkpoint: Checkpoint | None = None
        self.failure: Failure | None = None
        self.metrics: dict[str, float] = {}
        self.steps: array[int] | None = None
        self.curve: dict[str, array[float]] = {}

    @classmethod
    def of(cls, config: Mapping[str, Any], names: Sequence[str], task: int) -> Row:
        """The row of a trial to which nothing has happened yet. names: those of the space."""
        return cls(tuple([config.get(name, _ABSENT) for name in names]), task)

    def config(self, names: Sequence[str]) -> Config:
        """The configuration. names: those of the space."""
        pairs = list(zip(names, self.values, strict=True))
        active = {name: value for name, value in pairs if value is not _ABSENT}
        return Config(active, [name for name, value in pairs if value is _ABSENT])

    def trial(self, number: int, names: Sequence[str]) -> Trial:
        """All of it, as a value of its own."""
        assert self.state is not None
        return Trial(
            number=number, config=self.config(names), state=self.state, metrics=dict(self.scores),
            steps=list(self.steps or ()), curve={name: list(values) for name, values in self.curve.items()},
            decision=self.decision, parent=self.parent, failure=self.failure, checkpoint=self.checkpoint,
            attempts=self.attempts, seconds=self.seconds, task=self.task,
        )  # fmt: skip

    def reported(self, step: int) -> Mapping[str, float]:
        """The metrics that were reported for a step; empty without any."""
        place = bisect_left(self.steps, step) if self.steps is not None else 0
        if self.steps is None or place == len(self.steps) or self.steps[place] != step:
            return {}
        return {name: column[place] for name, column in self.curve.items()}

    def measured(self, step: int) -> Mapping[str, float]:
        """The metrics of a step: those of the outcome, if the trial came to it there, or else what was reported."""
        return self.metrics if self.metrics and step == self.step else self.reported(step)

    @property
    def decision(self) -> dict[str, JsonValue]:
        """The decision record; kept as text, which takes a fifth of the memory."""
        record: dict[str, JsonValue] = json.loads(self.record)
        return record

    @property
    def scores(self) -> Mapping[str, float]:
        """The metrics of the outcome; of a trial that is paused or was stopped, those of its last step."""
        if self.state not in (State.PAUSED, State.STOPPED) or not self.steps or self.steps[-1] != self.step:
            return self.metrics
        return {name: column[-1] for name, column in self.curve.items()}

    def fold(self, event: Event) -> bool:
        """Take in an event of this trial; False, and nothing changed, if it cannot happen to it now."""
        state = TRANSITIONS.get((self.state, type(event)))
        if state is None or not self._lease_fits(event):
            return False
        self.state = state
        _FOLD[type(event)](self, event)
        return True

    def _lease_fits(self, event: Event) -> bool:
        """Whether the event speaks of the current lease (a Resumed of the next one, a decision beside it of none)."""
        match event:
            case e.Enqueued() | e.Started() | e.Stopped():
                return True
            case e.Resumed():
                return event.epoch == self.epoch + 1
            case _:
                return bool(getattr(event, "epoch", None) == self.epoch)

    def _enqueued(self, event: e.Enqueued) -> None:
        self._decide({"strategy": "enqueued"})

    def _started(self, event: e.Started) -> None:
        self.parent = event.parent
        if event.parent is not None and event.state is not None:
            self.step = self.paid = event.parent[1]  # the parent has paid for these
            self.checkpoint = Checkpoint(self.step, *event.state)
        self._decide(event.decision)
        self._leased(event)

    def _leased(self, event: e.Started | e.Resumed) -> None:
        self.worker, self.until, self.pausable, self.isolated = (
            event.worker,
            event.until,
            event.pausable,
            event.isolated,
        )
        self.epoch += 1

    def _resumed(self, event: e.Resumed) -> None:
        self._promoted(event.decision)
        if self.checkpoint is None:
            self.paid = 0  # it begins again, and pays again
        self._leased(event)

    def _promoted(self, why: Mapping[str, JsonValue]) -> None:
        if why:
            record = self.decision
            self._decide({**record, "promotions": [*record.get("promotions", []), why]})

    def _passed(self, event: e.Passed) -> None:
        self.step, self.until = event.step, event.until
        self._promoted(event.decision)

    def _reclaimed(self, event: e.Reclaimed) -> None:
        self.attempts += 1
        self._go_back()

    def _stopped(self, event: e.Stopped) -> None:
        self._decide({**self.decision, "stop": event.decision})

    def _decide(self, record: Mapping[str, JsonValue]) -> None:
        self.record, self.strategy = _compact(record), sys.intern(str(record.get("strategy", "")))

    def _reported(self, event: e.Reported) -> None:
        if self.steps is None:
            self.steps = array("q")
        if self.steps and event.steps[0] <= self.steps[-1]:
            self._forget_points(event.steps[0])  # a later lease trained them again: its values count
        known = len(self.steps)
        self.steps.fromlist(event.steps)
        for name, values in event.metrics.items():
            column = self.curve.get(name)
            if column is None:
                column = self.curve[name] = array("d", [math.nan] * known)
            column.fromlist(values)
        for column in self.curve.values():
            if len(column) < len(self.steps):
                column.fromlist([math.nan] * (len(self.steps) - len(column)))
        self.step = event.steps[-1]

    def _forget_points(self, first: int) -> None:
        assert self.steps is not None
        keep = bisect_left(self.steps, first)
        del self.steps[keep:]
        for column in self.curve.values():
            del column[keep:]

    def _checkpointed(self, event: e.Checkpointed) -> None:
        self.checkpoint = Checkpoint(event.step, event.file, event.sha256)
        self.step, self.attempts = event.step, 0

    def _reached(self, event: e.Reached) -> None:
        self.step = event.step
        self.seconds += event.seconds

    def _released(self, event: e.Released) -> None:
        self.seconds += event.seconds
        self._go_back()

    def _go_back(self) -> None:
        self.step = self.checkpoint.step if self.checkpoint else 0

    def _finished(self, event: e.Finished) -> None:
        self.step, self.metrics = event.step, event.metrics
        self.seconds += event.seconds

    def _failed(self, event: e.Failed) -> None:
        self.failure = Failure(event.cause, event.reason, event.traceback)
        self.seconds += event.seconds


_FOLD: dict[type[Event], Callable[[Row, Any], None]] = {
    e.Enqueued: Row._enqueued,
    e.Started: Row._started,
    e.Resumed: Row._resumed,
    e.Reclaimed: Row._reclaimed,
    e.Stopped: Row._stopped,
    e.Reported: Row._reported,
    e.Checkpointed: Row._checkpointed,
    e.Reached: Row._reached,
    e.Passed: Row._passed,
    e.Released: Row._released,
    e.Finished: Row._finished,
    e.Failed: Row._failed,
}
