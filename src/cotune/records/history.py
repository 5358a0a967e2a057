"""What a study knows: the fold of its events, kept as rows of facts and as columns of numbers.

`History.extend` is the only way in, so a history can always be rebuilt from the log. Readers must not change what
they get. Inside, every objective is a loss to minimise: a maximised metric has its sign turned in `y`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
from cotune.errors import FormatError
from cotune.records import events as e
from cotune.records.events import Event, JsonValue
from cotune.records.trial import TRANSITIONS, Checkpoint, Failure, State, Trial
from cotune.space import Space

Floats = NDArray[np.float64]
_ABSENT: Any = object()  # stands in a row for the value of an inactive parameter


class _Row:
    """The facts of one trial, as the fold keeps them."""

    __slots__ = (
        "attempts", "checkpoint", "curve", "decision", "epoch", "failure", "metrics", "parent", "paid", "pausable",
        "seconds", "state", "step", "steps", "task", "until", "values", "worker",
    )  # fmt: skip

    def __init__(self, values: tuple[Any, ...], task: int) -> None:
        self.values, self.task = values, task
        self.state: State | None = None
        self.worker, self.epoch, self.attempts = "", 0, 0
        self.until: int | None = None
        self.step, self.paid, self.seconds, self.pausable = 0, 0, 0.0, True
        self.decision: Mapping[str, JsonValue] = {}
        self.parent: tuple[int, int] | None = None
        self.checkpoint: Checkpoint | None = None
        self.failure: Failure | None = None
        self.metrics: dict[str, float] = {}
        self.steps: array[int] | None = None
        self.curve: dict[str, array[float]] = {}


class History:
    """All that was decided and observed so far.

    position: number of events folded. steps: last step of a trial, None while it is unknown; created_steps: the same as
    the study was created with. steps_paid: steps trained, or promised to running trials. seconds: measured training
    time of all leases that ended. settings: what was decided once, by name. running: trial number ->
    worker that holds its lease. waiting, paused: numbers of trials that nobody holds.
    """

    def __init__(self, space: Space | None = None) -> None:
        """space: the space with its rules and starting points; without it, the one described in the log."""
        self.position = 0
        self.seed = 0
        self.steps: int | None = None
        self.objectives: dict[str, bool] = {}
        self.tasks: list[str] = [""]
        self.settings: dict[str, JsonValue] = {}
        self.running: dict[int, str] = {}
        self.waiting: set[int] = set()
        self.paused: set[int] = set()
        self.steps_paid = 0
        self.seconds = 0.0
        self.created_steps: int | None = None
        self._given_space = space
        self._description: dict[str, JsonValue] = {}
        self._rows: list[_Row] = []
        self._columns = _Columns()

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        """Number of trials, of any state."""
        return len(self._rows)

    @property
    def is_created(self) -> bool:
        """Whether the log has its first event."""
        return self.position > 0

    @property
    def space(self) -> Space:
        """The space that is searched."""
        assert self._given_space is not None, "the log has no first event yet"
        return self._given_space

    @property
    def described_space(self) -> Space:
        """The space as the log describes it, without rules and starting points."""
        return Space.from_json(self._description)

    @property
    def x(self) -> Floats:
        """(n, d) positions in the unit cube, NaN where a parameter is inactive. Row i is trial i; do not write."""
        return self._columns.x(self.space, [self.config(i) for i in range(self._columns.n_encoded, len(self))])

    @property
    def y(self) -> Floats:
        """(n, m) losses of done trials, NaN for every other trial. Do not write."""
        return self._columns.y(len(self), len(self.objectives))

    def state(self, number: int) -> State:
        """Where trial `number` stands."""
        state = self._rows[number].state
        assert state is not None
        return state

    def config(self, number: int) -> Config:
        """The configuration of trial `number`."""
        pairs = list(zip(self.space.names, self._rows[number].values, strict=True))
        active = {name: value for name, value in pairs if value is not _ABSENT}
        return Config(active, [name for name, value in pairs if value is _ABSENT])

    def trial(self, number: int) -> Trial:
        """All that is known of trial `number`, as a value of its own."""
        row = self._rows[number]
        return Trial(
            number=number, config=self.config(number), state=self.state(number), metrics=dict(row.metrics),
            steps=list(row.steps or ()), curve={name: list(values) for name, values in row.curve.items()},
            decision=row.decision, parent=row.parent, failure=row.failure, checkpoint=row.checkpoint,
            attempts=row.attempts, seconds=row.seconds, task=row.task,
        )  # fmt: skip

    def step(self, number: int) -> int:
        """The last step that trial `number` is known to have trained."""
        return self._rows[number].step

    def epoch(self, number: int) -> int:
        """How often trial `number` was handed out; the current lease is (worker, epoch)."""
        return self._rows[number].epoch

    def attempts(self, number: int) -> int:
        """How often a worker of trial `number` died without getting it further."""
        return self._rows[number].attempts

    def until(self, number: int) -> int | None:
        """The milestone of trial `number`; None: its own end."""
        return self._rows[number].until

    def checkpoint(self, number: int) -> Checkpoint | None:
        """Where trial `number` can continue from; None: from its start."""
        return self._rows[number].checkpoint

    def task(self, number: int) -> int:
        """Index of the task that trial `number` trains."""
        return self._rows[number].task

    def decision(self, number: int) -> Mapping[str, JsonValue]:
        """Why trial `number` was proposed."""
        return self._rows[number].decision

    def metrics(self, number: int) -> Mapping[str, float]:
        """The values of trial `number` at its last step; empty before its outcome."""
        return self._rows[number].metrics

    def failure(self, number: int) -> Failure | None:
        """Why trial `number` failed; None if it did not."""
        return self._rows[number].failure

    def holds(self, number: int, epoch: int) -> bool:
        """Whether the lease `epoch` of trial `number` still counts."""
        if not 0 <= number < len(self._rows):
            return False
        row = self._rows[number]
        return row.state is State.RUNNING and row.epoch == epoch

    def count(self, state: State) -> int:
        """How many trials are in `state`."""
        return sum(row.state is state for row in self._rows)

    def contenders(self) -> list[int]:
        """Numbers of the done trials of the highest step reached; the best is chosen among these."""
        done = [number for number, row in enumerate(self._rows) if row.state is State.DONE]
        top = max((self._rows[number].step for number in done), default=0)
        return [number for number in done if self._rows[number].step == top]

    def best(self) -> int | None:
        """The contender with the lowest loss (ties: the earlier trial); None without one. One objective only."""
        numbers = self.contenders()
        if not numbers:
            return None
        losses = self.y[:, 0]
        return min(numbers, key=lambda number: (losses[number], number))

    def front(self) -> list[int]:
        """Contenders that no other contender beats in every objective, by number."""
        numbers = self.contenders()
        losses = self.y[numbers]
        return [number for number, loss in zip(numbers, losses, strict=True) if not _is_dominated(loss, losses)]

    # ------------------------------------------------------------------ folding

    def extend(self, events: Iterable[Event]) -> None:
        """Fold the events that follow `position` in the log.

        Raises FormatError when an event cannot follow what came before: the log is not one that cotune wrote.
        """
        for event in events:
            number = event.number
            if number is None:
                self._fold_study(event)
            else:
                self._fold_trial(number, event)
            self.position += 1

    def _fold_study(self, event: Event) -> None:
        match event:
            case e.Created() if self.position == 0:
                if self._given_space is None:
                    self._given_space = Space.from_json(event.space)
                self._description = event.space
                self.seed, self.tasks = event.seed, event.tasks
                self.steps = self.created_steps = event.steps
                self.objectives = event.objectives
                self._columns.signs = [-1.0 if maximise else 1.0 for maximise in event.objectives.values()]
            case e.Setting():
                self.settings[event.name] = event.value
            case _:
                raise FormatError(f"event {self.position + 1} of the log is a second beginning; the file is damaged")

    def _fold_trial(self, number: int, event: Event) -> None:
        if number == len(self._rows) and isinstance(event, e.Started | e.Enqueued):
            self._rows.append(_Row(self._values(event.config), event.task))
        row = self._rows[number] if 0 <= number < len(self._rows) else None
        before = row.state if row else None
        after = TRANSITIONS.get((before, type(event)))
        if row is None or after is None or not _lease_fits(row, event):
            raise FormatError(
                f"event {self.position + 1} of the log ({event.kind}) cannot happen to trial {number} "
                f"({before or 'unknown'}); the file is damaged"
            )
        self._move(number, row, after)
        _FOLD[type(event)](self, row, event)
        if after.is_final or after is State.WAITING or after is State.PAUSED:
            self._pay(row, row.step)

    def _values(self, config: Mapping[str, JsonValue]) -> tuple[Any, ...]:
        return tuple([config.get(name, _ABSENT) for name in self.space.names])

    def _move(self, number: int, row: _Row, state: State) -> None:
        if row.state is not state:
            self.running.pop(number, None)
            self.waiting.discard(number)
            self.paused.discard(number)
            row.state = state
        if state is State.WAITING:
            self.waiting.add(number)
        elif state is State.PAUSED:
            self.paused.add(number)
        elif state is State.RUNNING:
            self.running[number] = row.worker

    def _pay(self, row: _Row, steps: int) -> None:
        self.steps_paid += steps - row.paid
        row.paid = steps

    def _spend(self, row: _Row, seconds: float) -> None:
        row.seconds += seconds
        self.seconds += seconds

    def _lease(self, row: _Row, number: int, worker: str, until: int | None) -> None:
        row.worker, row.until = worker, until
        row.epoch += 1
        self.running[number] = worker
        self._pay(row, max(row.step, until or self.steps or 0))

    def _enqueued(self, row: _Row, event: e.Enqueued) -> None:
        row.decision = {"strategy": "enqueued"}

    def _started(self, row: _Row, event: e.Started) -> None:
        row.decision, row.parent, row.pausable = event.decision, event.parent, event.pausable
        if event.parent:
            row.step = event.parent[1]
            row.checkpoint = self._rows[event.parent[0]].checkpoint
        self._lease(row, event.number, event.worker, event.until)

    def _resumed(self, row: _Row, event: e.Resumed) -> None:
        row.pausable = event.pausable
        self._lease(row, event.number, event.worker, event.until)

    def _reclaimed(self, row: _Row, event: e.Reclaimed) -> None:
        row.attempts += 1
        row.step = row.checkpoint.step if row.checkpoint else 0

    def _stopped(self, row: _Row, event: e.Stopped) -> None:
        row.decision = {**row.decision, "stop": event.decision}

    def _reported(self, row: _Row, event: e.Reported) -> None:
        if row.steps is None or not row.steps or event.steps[0] > row.steps[-1]:
            self._append_points(row, event)
        else:
            self._merge_points(row, event)
        row.step = event.steps[-1]

    def _append_points(self, row: _Row, event: e.Reported) -> None:
        if row.steps is None:
            row.steps = array("q")
        known = len(row.steps)
        row.steps.fromlist(event.steps)
        for name, values in event.metrics.items():
            column = row.curve.get(name)
            if column is None:
                column = row.curve[name] = array("d", [np.nan] * known)
            column.fromlist(values)
        for column in row.curve.values():
            if len(column) < len(row.steps):
                column.fromlist([np.nan] * (len(row.steps) - len(column)))

    def _merge_points(self, row: _Row, event: e.Reported) -> None:
        """Steps that a later lease trained again: its values count."""
        assert row.steps is not None
        keep = bisect_left(row.steps, event.steps[0])
        del row.steps[keep:]
        for column in row.curve.values():
            del column[keep:]
        self._append_points(row, event)

    def _checkpointed(self, row: _Row, event: e.Checkpointed) -> None:
        row.checkpoint = Checkpoint(event.step, event.file, event.sha256)
        row.step = event.step
        row.attempts = 0

    def _reached(self, row: _Row, event: e.Reached) -> None:
        row.step = event.step
        self._spend(row, event.seconds)

    def _released(self, row: _Row, event: e.Released) -> None:
        row.step = row.checkpoint.step if row.checkpoint else 0
        self._spend(row, event.seconds)

    def _finished(self, row: _Row, event: e.Finished) -> None:
        row.step, row.metrics = event.step, event.metrics
        self._spend(row, event.seconds)
        self._columns.set_y(event.number, [event.metrics[name] for name in self.objectives])
        if self.steps is None:
            self.steps = event.step

    def _failed(self, row: _Row, event: e.Failed) -> None:
        row.failure = Failure(event.cause, event.reason, event.traceback)
        self._spend(row, event.seconds)


class _Columns:
    """Growing matrices; a row is written once."""

    def __init__(self) -> None:
        self.signs: list[float] = []
        self.n_encoded = 0
        self._x: Floats = np.empty((0, 0))
        self._y: Floats = np.empty((0, 0))

    def x(self, space: Space, new: Sequence[Config]) -> Floats:
        n = self.n_encoded + len(new)
        self._x = _grown(self._x, n, space.dimension)
        for i, config in enumerate(new):
            self._x[self.n_encoded + i] = space.encode(config)[0]
        self.n_encoded = n
        return self._x[:n]

    def y(self, n: int, m: int) -> Floats:
        self._y = _grown(self._y, n, m)
        return self._y[:n]

    def set_y(self, number: int, values: Sequence[float]) -> None:
        self._y = _grown(self._y, number + 1, len(self.signs))
        self._y[number] = [sign * value for sign, value in zip(self.signs, values, strict=True)]


def _grown(matrix: Floats, n: int, width: int) -> Floats:
    """The matrix with room for n rows; new rows are NaN."""
    if len(matrix) >= n and matrix.shape[1] == width:
        return matrix
    larger = np.full((max(n, 2 * len(matrix), 16), width), np.nan)
    if len(matrix):
        larger[: len(matrix)] = matrix
    return larger


def _is_dominated(loss: Floats, losses: Floats) -> bool:
    return bool(np.any(np.all(losses <= loss, axis=1) & np.any(losses < loss, axis=1)))


def _lease_fits(row: _Row, event: Event) -> bool:
    """Whether the event speaks of the trial's current lease (or, for Resumed, of the next one)."""
    match event:
        case e.Enqueued() | e.Started() | e.Stopped():
            return True
        case e.Resumed():
            return event.epoch == row.epoch + 1
        case _:
            return event.epoch == row.epoch  # type: ignore[attr-defined]


_FOLD: dict[type[Event], Any] = {
    e.Enqueued: History._enqueued,
    e.Started: History._started,
    e.Resumed: History._resumed,
    e.Reclaimed: History._reclaimed,
    e.Stopped: History._stopped,
    e.Reported: History._reported,
    e.Checkpointed: History._checkpointed,
    e.Reached: History._reached,
    e.Released: History._released,
    e.Finished: History._finished,
    e.Failed: History._failed,
}
