"""What a study knows: the fold of its events, kept as rows of facts and as columns of numbers.

`History.extend` is the only way in, so a history can always be rebuilt from the log. `and_pending` gives another one,
ahead of it by what is planned. Readers must not change what they get. Inside, every objective is a loss to minimise: a
maximised metric has its sign turned in `y`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
from cotune.errors import FormatError
from cotune.records import events as e
from cotune.records.actions import Suggestion
from cotune.records.columns import Columns, Floats, undominated
from cotune.records.events import Event, JsonValue
from cotune.records.row import Row
from cotune.records.trial import Checkpoint, Failure, State, Trial
from cotune.space import Space
from cotune.standard_error import SUFFIX

CONFIRMATION = "confirmation"
"""The setting that says which of the best trials is the best on fresh splits and seeds."""


class Arrival(NamedTuple):
    """A trial that came to a milestone or to its outcome after `step` steps."""

    number: int
    step: int
    has_failed: bool


class History:
    """All that was decided and observed so far.

    position: number of events folded. steps: last step of a trial, None while it is unknown; created_steps: the same as
    the study was created with. steps_paid: steps trained, or promised to running trials. seconds: measured training
    time of all leases that ended. settings: what was decided once, by name. running: trial number ->
    worker that holds its lease. waiting, paused: numbers of trials that nobody holds. outcomes: numbers of the trials
    with an outcome, in the order in which it came. arrivals: the same of trials at milestones too. forks: numbers of
    the trials that went on from another one's state.
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
        self.outcomes: list[int] = []
        self.forks: list[int] = []
        self.arrivals: list[Arrival] = []
        self.steps_paid = 0
        self.seconds = 0.0
        self.created_steps: int | None = None
        self._given_space = space
        self._description: dict[str, JsonValue] = {}
        self._rows: list[Row] = []
        self._round = 0
        self._columns = Columns()

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
        """(n, m) losses of trials at their outcomes, or else at their last milestones; NaN for failed trials, and for
        those that have not come to either. Do not write.
        """
        return self._columns.y(len(self))

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(n,) whether each trial has come to a milestone or to its outcome. Do not write."""
        return self._columns.ended(len(self))

    def state(self, number: int) -> State:
        """Where trial `number` stands."""
        state = self._rows[number].state
        assert state is not None
        return state

    def config(self, number: int) -> Config:
        """The configuration of trial `number`."""
        return self._rows[number].config(self.space.names)

    def trial(self, number: int) -> Trial:
        """All that is known of trial `number`, as a value of its own."""
        return self._rows[number].trial(number, self.space.names)

    def step(self, number: int) -> int:
        """The last step that trial `number` is known to have trained."""
        return self._rows[number].step

    def epoch(self, number: int) -> int:
        """How often trial `number` was handed out; the current lease is (worker, epoch)."""
        return self._rows[number].epoch

    def attempts(self, number: int) -> int:
        """How often a worker of trial `number` died without getting it further."""
        return self._rows[number].attempts

    def is_isolated(self, number: int) -> bool:
        """Whether trial `number` trains, or trained last, where it cannot end its worker."""
        return self._rows[number].isolated

    def until(self, number: int) -> int | None:
        """The milestone of trial `number`; None: its own end."""
        return self._rows[number].until

    def begun(self, number: int) -> int:
        """The round in which trial `number` trained its first step, or would have if it had never paused.

        Rounds order the results of trials that train side by side: trial i trains step s (from 0) in round begun + s,
        whether or not it was interrupted, and a trial begins in the round after which there was room for it.
        """
        return self._rows[number].begun

    def checkpoint(self, number: int) -> Checkpoint | None:
        """Where trial `number` can continue from; None: from its start."""
        return self._rows[number].checkpoint

    def task(self, number: int) -> int:
        """Index of the task that trial `number` trains."""
        return self._rows[number].task

    def decision(self, number: int) -> Mapping[str, JsonValue]:
        """Why trial `number` was proposed."""
        return self._rows[number].decision

    def strategy(self, number: int) -> str:
        """Who proposed trial `number`, as its decision record says; without reading the whole of it."""
        return self._rows[number].strategy

    def metrics(self, number: int) -> Mapping[str, float]:
        """The values of trial `number` at its last step, or at the milestone where it stands; empty before either."""
        return self._rows[number].scores

    def reported(self, number: int, step: int) -> Mapping[str, float]:
        """The metrics that trial `number` reported for a step; empty if it reported none."""
        return self._rows[number].reported(step)

    def losses(self, number: int, step: int) -> tuple[float, ...]:
        """(m,) what trial `number` reported of each objective for a step, as losses; NaN for what it did not."""
        measured = self._rows[number].measured(step)
        values = (measured.get(name, math.nan) for name in self.objectives)
        return tuple(sign * value for sign, value in zip(self._columns.signs, values, strict=True))

    def errors(self, number: int, step: int) -> tuple[float, ...]:
        """(m,) the standard error that trial `number` reported with each objective for a step; NaN where it did not.

        That of `accuracy` is the metric `accuracy_se`.
        """
        measured = self._rows[number].measured(step)
        return tuple(measured.get(name + SUFFIX, math.nan) for name in self.objectives)

    def value_of(self, loss: float) -> float:
        """The first objective's value, in its own sign, that a loss stands for."""
        return self._columns.signs[0] * loss

    def loss_curve(self, number: int, until: int) -> list[float]:
        """What trial `number` reported of the first objective up to a step, as losses in the order of steps."""
        row = self._rows[number]
        column = row.curve.get(next(iter(self.objectives)))
        if row.steps is None or column is None:
            return []
        return [self._columns.signs[0] * value for value in column[: bisect_right(row.steps, until)]]

    def parent(self, number: int) -> tuple[int, int] | None:
        """Which trial a fork went on from, and after which step of it; None for a trial of its own."""
        return self._rows[number].parent

    def lineage(self, number: int) -> list[tuple[int, int]]:
        """(trial, step from which it trained itself) of all that led to the weights of trial `number`, oldest first.

        A trial of its own has one entry, (number, 0).
        """
        line = list[tuple[int, int]]()
        while (parent := self.parent(number)) is not None:
            line.append((number, parent[1]))
            number = parent[0]
        return [(number, 0), *reversed(line)]

    @property
    def n_proposed(self) -> int:
        """How many configurations were proposed or enqueued: all trials that are no forks."""
        return len(self) - len(self.forks)

    def place(self, number: int) -> int:
        """How many configurations had been proposed or enqueued before trial `number`."""
        return number - bisect_left(self.forks, number)

    def has_finished(self, number: int, step: int) -> bool:
        """Whether trial `number` has its result, of that step."""
        row = self._rows[number]
        return row.state is State.DONE and row.step == step

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
        """Numbers of the done trials that were allowed to go furthest; the best is chosen among these.

        A trial without a milestone, or one that ended by itself before it, has done all that it wanted. While no trial
        is done, those of the paused ones that came furthest.
        """
        done = ((n, row) for n, row in enumerate(self._rows) if row.state is State.DONE)
        reach = {n: max(row.until, row.step) if row.until else self.steps or 0 for n, row in done}
        if not reach:
            reach = {n: self.step(n) for n in sorted(self.paused) if not np.isnan(self.y[n]).any()}
        furthest = max(reach.values(), default=0)
        return [number for number in reach if reach[number] == furthest]

    @property
    def n_results(self) -> int:
        """How often a trial came to a milestone or to its end with a result."""
        return sum(not arrival.has_failed for arrival in self.arrivals)

    def confirmed(self) -> int | None:
        """The trial that a confirmation chose, if no result has come since."""
        made: Mapping[str, JsonValue] | None = self.settings.get(CONFIRMATION)
        return made["chosen"] if made is not None and made["seen"] == self.n_results else None

    def best(self) -> int | None:
        """The trial that was confirmed, or else the contender with the lowest loss (ties: the earlier trial).

        None without one. One objective only.
        """
        if (confirmed := self.confirmed()) is not None:
            return confirmed
        numbers = self.contenders()
        if not numbers:
            return None
        losses = self.y[:, 0]
        return min(numbers, key=lambda number: (losses[number], number))

    def front(self) -> list[int]:
        """Contenders that no other contender beats in every objective, by number."""
        numbers = self.contenders()
        return [numbers[row] for row in undominated(self.y[numbers])]

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

    def and_pending(self, suggestions: Sequence[Suggestion]) -> History:
        """This history as it would be if the next trials were started with these suggestions; it does not change.

        The trials that both have are shared, so the other one serves for a decision and not beyond the next `extend`.
        """
        ahead = copy(self)
        ahead._rows, ahead._columns, ahead.running = list(self._rows), self._columns.copy(), dict(self.running)
        ahead.extend(
            e.Started(number, dict(new.config), "", None, dict(new.decision), self.position, task=new.task)
            for number, new in enumerate(suggestions, start=len(self))
        )
        return ahead

    def _fold_study(self, event: Event) -> None:
        match event:
            case e.Created() if self.position == 0:
                if self._given_space is None:
                    self._given_space = Space.from_json(event.space)
                self._description = event.space
                self.seed, self.tasks, self.objectives = event.seed, event.tasks, event.objectives
                self.steps = self.created_steps = event.steps
                self._columns.signs = [-1.0 if maximise else 1.0 for maximise in event.objectives.values()]
            case e.Setting():
                self.settings[event.name] = event.value
            case _:
                raise FormatError(f"event {self.position + 1} of the log is a second beginning; the file is damaged")

    def _fold_trial(self, number: int, event: Event) -> None:
        rows = self._rows
        if number == len(rows) and isinstance(event, e.Started | e.Enqueued):
            rows.append(Row.of(event.config, self.space.names, event.task))
        row = rows[number] if 0 <= number < len(rows) else None
        before, seconds = (row.state, row.seconds) if row else (None, 0.0)
        if row is None or not row.fold(event):
            raise FormatError(
                f"event {self.position + 1} of the log ({event.kind}) cannot happen to trial {number} "
                f"({(row and row.state) or 'unknown'}); the file is damaged"
            )
        self.seconds += row.seconds - seconds
        if row.state is not before:
            self._sort(number, row)
        self._draw_conclusions(row, event)
        self._tell_round(row, before)
        self._pay(row)

    def _sort(self, number: int, row: Row) -> None:
        """Put the trial where its state belongs."""
        self.running.pop(number, None)
        self.waiting.discard(number)
        self.paused.discard(number)
        if row.state is State.RUNNING:
            self.running[number] = row.worker
        elif row.state is State.WAITING:
            self.waiting.add(number)
        elif row.state is State.PAUSED:
            self.paused.add(number)
        else:
            self.outcomes.append(number)

    def _draw_conclusions(self, row: Row, event: Event) -> None:
        """What an event of one trial means for the whole."""
        if isinstance(event, e.Finished):
            self.steps = self.steps or event.step
        elif isinstance(event, e.Started) and event.parent is not None:
            self.forks.append(event.number)
        if isinstance(event, e.Reached | e.Passed | e.Finished | e.Failed):
            self._arrive(event, row)

    def _arrive(self, event: e.Reached | e.Passed | e.Finished | e.Failed, row: Row) -> None:
        """Note a trial at a milestone or its outcome, and what it is worth by now."""
        number, has_failed = event.number, isinstance(event, e.Failed)
        losses = [math.nan] * len(self.objectives) if has_failed else self.losses(number, row.step)
        self._columns.set_y(number, losses)
        self._columns.set_ended(number)
        self.arrivals.append(Arrival(number, row.step, has_failed))

    def _tell_round(self, row: Row, before: State | None) -> None:
        """A new or paused trial goes on in the round after the last outcome or milestone; a lost lease in its own."""
        is_new = before is None or (before is State.WAITING and row.epoch == 1)  # an enqueued trial's first lease
        if row.state is State.RUNNING and (is_new or before is State.PAUSED):
            row.begun = self._round - row.step
        elif before is State.RUNNING and row.state not in (State.RUNNING, State.WAITING):
            self._round = max(self._round, row.begun + row.step)

    def _pay(self, row: Row) -> None:
        """Steps are paid when they are promised to a running trial, and refunded when it leaves without them."""
        promised = (row.until or self.steps or 0) if row.state is State.RUNNING else 0
        paid = max(row.step, promised)
        self.steps_paid += paid - row.paid
        row.paid = paid
