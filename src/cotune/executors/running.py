"""The trial as the user's function holds it while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotune.errors import Paused, ReportError, StudyError
from cotune.executors.equipment import Equipment
from cotune.executors.executor import Emit
from cotune.executors.outcome import state_for
from cotune.executors.reports import Reports
from cotune.executors.snapshot import Snapshot, Stamp
from cotune.records import Checkpointed, Event, Job, real_number
from cotune.seeds import Purpose, integer
from cotune.training import Isolated
from cotune.training.checkpoint import restore, state_of
from cotune.training.takeover import take_over, untrained

_MADE_WITH = "made with"
"""Beside what was tracked, under this name: what optimisers and schedulers were made with."""


class RunningTrial:
    """The live handle that a user's function gets: its configuration, and the way to report, save and continue.

    number: the trial's number. config: its hyperparameters. seed: the trial's own, for generators of the user's.
    device: where to train, as torch names it. Before each epoch all global generators (random, NumPy, torch) are
    seeded from (study seed, trial, epoch), so a trial that continues draws what it would have drawn.
    """

    def __init__(
        self,
        job: Job,
        *,
        emit: Emit,
        isolated: Isolated,
        equipment: Equipment,
        device: str,
        checkpoint_s: float,
    ) -> None:
        self.number, self.config, self.seed, self.device = job.number, job.config, job.seed, device
        self.shared_seed = job.shared_seed
        self.step = job.step
        self._job = job
        self.isolated = isolated
        self._reports = Reports(job, emit, equipment.interruption)
        self._checkpoints, self._interruption = equipment.checkpoints, equipment.interruption
        self._directory = equipment.directory
        self._checkpoint_s, self._saved_at = checkpoint_s, time.monotonic()
        self._tracked: dict[str, Any] = {}
        self._made_with: dict[str, Any] = {}
        self._restored: Mapping[str, Any] = {}
        self._counts_epochs, self._keeps_state = False, False
        self._under_way: int | None = None  # the step that an epoch or a share ends with
        self._judge, self._begun_at = equipment.judge, time.monotonic()
        self.was_told_to_leave, self.was_stopped = False, False
        self.isolated.seed(integer(self.seed, Purpose.INIT))

    @property
    def directory(self) -> Path:
        """A folder of the trial's own, for whatever the function wants to keep; made at the first use."""
        return self._directory(self.number)

    def track(self, **objects: Any) -> None:
        """Name what must survive a pause: modules, optimisers, schedulers, torch or NumPy generators.

        When the trial continues, each object gets its saved state back before `track` returns; when it goes on from
        another trial's state, optimisers and schedulers keep the hyperparameters that they were made with. Raises
        StudyError for an object without `state_dict`, and when the saved state does not know the name.
        """
        for name, tracked in objects.items():
            own = untrained(tracked)
            if self._restored:
                self._restore(name, tracked)
                take_over(tracked, own, self._restored.get(_MADE_WITH, {}).get(name, own))
            else:
                _require_state(name, tracked)
            self._tracked[name], self._made_with[name], self._keeps_state = tracked, own, True

    def epochs(self, at_most: int | None = None) -> Iterator[int]:
        """The epochs that are still to train, counted from 0; ends where the scheduler says.

        at_most: for a trial that needs fewer than the others.
        """
        if self._job.steps is None:
            raise StudyError("trial.epochs() needs to know how many there are: Study(function, space, epochs=30)")
        self._counts_epochs = True
        for epoch in range(self.step, min(self._job.steps, at_most or self._job.steps)):
            self._leave_if_due()
            self.isolated.seed(integer(self.seed, Purpose.NOISE, epoch))
            self._under_way = epoch + 1
            try:
                yield epoch
            finally:  # also when the function breaks out of its loop
                self._under_way = None
                self.step = max(self.step, self._reports.last_step)
            self.step = epoch + 1
            self._checkpoint_if_due()

    def shares(self) -> Iterator[float]:
        """What share of the data to train with, milestone after milestone; 1 at last, or at once without a scheduler.

        For trials that are compared by what a part of the data says of them. A step is 1 / `Study(epochs=)` of it; each
        share is trained from the start and reported once.
        """
        if self._job.steps is None:
            raise StudyError("trial.shares() needs to know how many steps there are: Study(function, space, epochs=27)")
        self._counts_epochs = self._keeps_state = True  # its step is all that it takes to go on
        while self.step < self._job.steps:
            self._leave_if_due()
            until = self._job.until or self._job.steps
            self.isolated.seed(integer(self.seed, Purpose.NOISE, until))
            self._under_way = until
            yield until / self._job.steps
            self.step, self._under_way = until, None

    def report(self, **metrics: float) -> bool:
        """Log named metrics of this epoch (without `epochs`: of the next step); False when the trial must leave.

        Values are real numbers or 0-d tensors; NaN and infinity are allowed here, an objective that ends with one
        fails the trial. Raises ReportError for anything else.
        """
        if not metrics:
            raise ReportError("trial.report() needs at least one named metric, e.g. trial.report(accuracy=0.97)")
        values = {name: real_number(name, value) for name, value in metrics.items()}
        if not self._counts_epochs:
            self.step += 1
        self._reports.add(self._under_way or self.step, values)
        if not self._counts_epochs and (self._interruption.is_requested or (self._is_cut_short and not self._passes())):
            self.was_told_to_leave = True
        return not (self.was_told_to_leave or self._interruption.is_requested)

    @property
    def last_metrics(self) -> dict[str, float]:
        """The metrics of the last step that was reported."""
        return self._reports.last

    @property
    def is_at_milestone(self) -> bool:
        """Whether the trial has come to the step at which it yields."""
        return self._job.until is not None and self.step >= self._job.until

    @property
    def must_leave(self) -> bool:
        """Whether the function has to be left before its end: its milestone is reached, or somebody asked to stop."""
        return self.is_at_milestone or self._interruption.is_requested

    @property
    def _is_cut_short(self) -> bool:
        """Whether the milestone that was reached is not the trial's end."""
        return self.is_at_milestone and self._job.until != self._job.steps

    def finish(self) -> list[Event]:
        """Facts to log before the outcome of a function that came to its end. For executors."""
        events = self._reports.take()
        return [*events, self._save()] if self._tracked else events

    def leave(self) -> list[Event]:
        """Facts to log when the function was left without a result. For executors."""
        return self._reports.take()

    def _passes(self) -> bool:
        """Whether a trial that keeps no state goes on from its milestone at once."""
        if self._keeps_state or self._judge is None or self.was_stopped or self._interruption.is_requested:
            return False
        self._reports.flush()
        with self._interruption.shielded():
            until = self._judge(self.number, self._job.epoch, self.step, round(time.monotonic() - self._begun_at, 6))
        self.was_stopped = until is None
        self._job = replace(self._job, until=until or self._job.until)
        return not self.was_stopped

    def _leave_if_due(self) -> None:
        if self._is_cut_short and self._passes():
            return
        if self.must_leave:
            if self._keeps_state and self.step > self._job.step:
                self._reports.flush(self._save())
            raise Paused

    def _checkpoint_if_due(self) -> None:
        is_last = self.step == self._job.steps  # the end has a checkpoint of its own
        if self._tracked and not is_last and time.monotonic() - self._saved_at >= self._checkpoint_s:
            self._reports.flush(self._save())

    def _save(self) -> Checkpointed:
        state = {name: state_of(tracked) for name, tracked in self._tracked.items()}
        state[_MADE_WITH] = {name: made for name, made in self._made_with.items() if made is not None}
        saved = self._checkpoints.save(Snapshot(Stamp(self.number, self._job.epoch, self.step), state))
        self._saved_at = time.monotonic()
        return Checkpointed(self.number, self._job.epoch, saved.step, saved.file, saved.sha256)

    def _restore(self, name: str, tracked: Any) -> None:
        known = without_notes(self._restored)
        if name not in known:
            raise StudyError(
                f"trial {self.number} continues from a checkpoint that has no {name!r}, only "
                f"{', '.join(known)}. Track the same names as when it was begun."
            )
        restore(tracked, known[name])

    def take_up(self) -> None:
        """Go to where the saved state is, or to the start; see `state_for`. For executors."""
        state = state_for(self._job, self._checkpoints)
        if state is None or self._job.checkpoint is None:
            self.step = 0
            return
        self._restored, self.step = state, self._job.checkpoint.step
        self._reports.resume(self.step, self._job.reported)


def without_notes(state: Mapping[str, Any]) -> dict[str, Any]:
    """What was tracked, by name, without what was noted beside it."""
    return {name: content for name, content in state.items() if name != _MADE_WITH}


def _require_state(name: str, tracked: Any) -> None:
    """Fail now rather than at the first checkpoint."""
    try:
        state_of(tracked)
    except AttributeError as error:
        raise StudyError(
            f"trial.track({name}=...) needs an object with state_dict() and load_state_dict(), or a torch or NumPy "
            f"generator, got {type(tracked).__name__}. Write other things into trial.directory."
        ) from error
