"""Training in the calling thread, one trial at a time."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cotune.errors import Interrupted, LeaseLost, Paused
from cotune.executors import outcome
from cotune.executors.equipment import Equipment, require_seconds
from cotune.executors.executor import Emit, Executor
from cotune.executors.interruption import Abandoned
from cotune.executors.running import RunningTrial
from cotune.records import Event, Job, Reached, Released
from cotune.training import Isolated
from cotune.training.devices import check_device, present


@dataclass(frozen=True)
class Inline:
    """Train in the calling thread, one trial at a time.

    device: as torch names it; "auto" takes the GPU if there is one. checkpoint_s: a trial that tracks its state saves
    it at the first epoch's end after this many seconds, besides at its milestones and its end.
    """

    device: str = "auto"
    checkpoint_s: float = 30.0

    def __post_init__(self) -> None:
        check_device(self.device)
        require_seconds("Inline(checkpoint_s=", self.checkpoint_s)

    def equip(self, equipment: Equipment) -> Executor:
        """The executor, ready to train what the equipment says."""
        return _InlineExecutor(self, equipment)


class _InlineExecutor:
    slots = 1

    def __init__(self, settings: Inline, equipment: Equipment) -> None:
        self._equipment = equipment
        self._jobs: deque[Job] = deque()
        self._checkpoint_s = settings.checkpoint_s
        self._device = str(present(settings.device))

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def wait(self, timeout_s: float, emit: Emit) -> None:
        """Train the next job to its milestone; a trial that lost its lease leaves no trace."""
        if not self._jobs:
            time.sleep(timeout_s)
            return
        job = self._jobs.popleft()
        try:
            if self._equipment.interruption.is_requested:
                emit([Released(job.number, job.epoch)])
                return
            with Isolated() as isolated:
                events = self._train(job, isolated, emit)
            if events:
                emit(events)
        except LeaseLost:
            return

    def close(self) -> None:
        self._jobs.clear()

    def _train(self, job: Job, isolated: Isolated, emit: Emit) -> list[Event]:
        """Run the user's code; what Python can catch becomes the trial's outcome."""
        begun = time.monotonic()
        interruption = self._equipment.interruption
        trial = RunningTrial(
            job, emit=emit, isolated=isolated, equipment=self._equipment,
            device=self._device, checkpoint_s=self._checkpoint_s,
        )  # fmt: skip
        try:
            trial.take_up()
            with interruption.exposed():
                result = self._equipment.objective(trial)
            # at its last step it has its result all the same
            if trial.was_stopped or (trial.was_told_to_leave and trial.step != job.steps):
                return self._left(job, trial, begun)
            before = trial.finish()
            return [*before, outcome.of_result(job, trial.step, trial.last_metrics, result, _since(begun))]
        except (Abandoned, KeyboardInterrupt, Interrupted) as error:
            interruption.request_by(error)
            return [*trial.leave(), Released(job.number, job.epoch, _since(begun))]
        except BaseException as error:  # noqa: BLE001 - law 8: whatever the user's code raises is data
            if isinstance(error, Paused) and trial.must_leave:
                return self._left(job, trial, begun)
            failure = outcome.of_error(job, error, _since(begun))  # of a lost lease, `emit` will say so again
        _free_memory(failure)
        return [*trial.leave(), failure]

    def _left(self, job: Job, trial: RunningTrial, begun: float) -> list[Event]:
        """What a trial without an outcome leaves behind; of one that was stopped all is said."""
        if trial.was_stopped:
            return []
        if trial.is_at_milestone:
            return [*trial.leave(), Reached(job.number, job.epoch, trial.step, _since(begun))]
        return [*trial.leave(), Released(job.number, job.epoch, _since(begun))]


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 6)


def _free_memory(failure: Event) -> None:
    """Give back what an out-of-memory failure held, before the next trial needs it."""
    if getattr(failure, "cause", "") == "out of memory":
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
