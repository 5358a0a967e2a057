"""One trial in its lanes, one for each fold that trains: its runs, how far it is, and what is not in the log yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import final

from cotune.executors import outcome
from cotune.executors.equipment import Checkpoints
from cotune.executors.interruption import Abandoned
from cotune.executors.objective import OfTask, require_sound
from cotune.executors.reports import reported
from cotune.executors.snapshot import Snapshot, Stamp
from cotune.records import Checkpoint, Checkpointed, Event, Job, Reached, Released
from cotune.training import Folds, Isolated, Run
from cotune.training.fused import Kind

_NOBODY: Mapping[str, Lane] = {}


@final
class Lane:
    """A job of a task while it trains beside others.

    folds: its runs; most trials have one. step: epochs trained. kinds: with which others each run can be fused; None if
    it trains by itself. has_ended: whether its outcome or milestone is reached.
    """

    folds: Folds

    def __init__(self, job: Job, objective: OfTask, device: str) -> None:
        self._job, self._objective, self._device = job, objective, device
        self.step, self.has_ended = 0, False
        self.kinds: Sequence[Kind] | None = None
        self._points: dict[int, dict[str, float]] = {}
        self._last: dict[str, float] = {}
        self._failure: BaseException | None = None
        self._seconds = 0.0

    @property
    def number(self) -> int:
        """The trial's number."""
        return self._job.number

    @property
    def run(self) -> Run:
        """Of its first fold, which stands for all."""
        return self.folds.runs[0]

    @property
    def round(self) -> int:
        """In which of the study's rounds its next epoch is due."""
        return self._job.begun + self.step

    @property
    def due(self) -> Sequence[Run]:
        """The runs that its next epoch trains."""
        return self.folds.due(self.step)

    @property
    def epoch(self) -> int:
        """Which of these runs' epochs that is, from 0."""
        return self.folds.epoch(self.step)

    def begin(self, checkpoints: Checkpoints, isolated: Isolated, resting: Mapping[str, Lane] = _NOBODY) -> None:
        """Build the run and take up its last checkpoint; an error of the user's code ends the trial.

        resting: lanes that paused, by the file of their checkpoint; what they hold need not be built or read again.
        """
        begun = time.monotonic()
        self.step, self._points, self._last = 0, {}, {}
        before = resting.get(self._job.checkpoint.file) if self._job.checkpoint is not None else None
        try:
            if before is not None and before.number == self.number:
                self.folds, self.kinds = before.folds, before.kinds
                self._go_to_checkpoint()
            else:
                seeds = self._job.seed, self._job.shared_seed
                self.folds = self._objective.folds(self._job.config, seeds, isolated, self._device)
                self._take_up(checkpoints, before)
        except (Abandoned, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - law 8: whatever the user's code raises is data
            self.fail(error)
        self.spend(time.monotonic() - begun)

    def train(self, isolated: Isolated) -> None:
        """One epoch by itself."""
        try:
            self.note(self.folds.train_epoch(self.step))
        except (Abandoned, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - law 8
            self.fail(error)

    def take(self, measured: Sequence[Mapping[str, float] | Exception]) -> None:
        """Take in what the folds measured after the next epoch, or what went wrong in it."""
        sound = [metrics for metrics in measured if not isinstance(metrics, Exception)]
        if len(sound) == len(measured):
            self.note(self.folds.take(self.step, sound))
        else:
            self.fail(next(error for error in measured if isinstance(error, Exception)))

    def note(self, metrics: Mapping[str, float]) -> None:
        """Take in the metrics of the next epoch."""
        self.step += 1
        self._last = dict(metrics)
        self._points[self.step] = self._last
        try:
            require_sound(metrics)
        except outcome.Diverged as error:
            self.fail(error)
        self.has_ended = self.has_ended or self.step >= self._goal

    def spend(self, seconds: float) -> None:
        """Count time that was spent on the trial."""
        self._seconds += seconds

    def reported(self) -> list[Event]:
        """What is not in the log yet."""
        points, self._points = self._points, {}
        return [reported(self._job, points)] if points else []

    @property
    def snapshot(self) -> Snapshot:
        """Its state as it is."""
        return Snapshot(Stamp(self.number, self._job.epoch, self.step), {"run": self.folds.state_dict()})

    def saved(self, kept: Checkpoint) -> list[Event]:
        """What is to be logged when its snapshot was kept."""
        number, epoch = self.number, self._job.epoch
        return [*self.reported(), Checkpointed(number, epoch, kept.step, kept.file, kept.sha256)]

    @property
    def has_failed(self) -> bool:
        """Whether it has ended without a result."""
        return self._failure is not None

    @property
    def pauses(self) -> bool:
        """Whether it has ended at a milestone, and may go on later."""
        return self.has_ended and not self.has_failed and self.step < self._last_step

    def ended(self, kept: Checkpoint | None) -> list[Event]:
        """What is to be logged at its end. kept: of its snapshot; None if it failed."""
        if self._failure is not None:
            return [*self.reported(), outcome.of_error(self._job, self._failure, self._spent)]
        assert kept is not None
        events = self.saved(kept)
        if self.pauses:
            return [*events, Reached(self.number, self._job.epoch, self.step, self._spent)]
        return [*events, outcome.of_result(self._job, self.step, self._last, None, self._spent)]

    @property
    def is_further(self) -> bool:
        """Whether it has trained anything since it was handed out."""
        return self.step > self._job.step

    def released(self, kept: Checkpoint | None) -> list[Event]:
        """What is to be logged when it is given back unfinished. kept: of its snapshot, if that is worth it."""
        return [*(self.reported() if kept is None else self.saved(kept)), self.given_back()]

    def given_back(self) -> Event:
        """The end of the lease."""
        return Released(self.number, self._job.epoch, self._spent)

    @property
    def _spent(self) -> float:
        return round(self._seconds, 6)

    @property
    def _last_step(self) -> int:
        return min(self.folds.epochs, self._job.steps or self.folds.epochs)

    @property
    def _goal(self) -> int:
        return min(self._last_step, self._job.until or self._last_step)

    def _take_up(self, checkpoints: Checkpoints, parent: Lane | None) -> None:
        """Continue from the checkpoint, or start again; see `state_for`. parent: who holds it in memory."""
        if parent is not None:
            self.folds.load_state_dict(parent.folds.state_dict())
        elif (state := outcome.state_for(self._job, checkpoints)) is not None:
            self.folds.load_state_dict(state["run"])
        else:
            return
        self._go_to_checkpoint()

    def _go_to_checkpoint(self) -> None:
        assert self._job.checkpoint is not None
        self.step, self._last = self._job.checkpoint.step, dict(self._job.reported)
        self.has_ended = self.step >= self._goal

    def fail(self, error: BaseException) -> None:
        """End the trial with what went wrong in it."""
        self._failure, self.has_ended = error, True
