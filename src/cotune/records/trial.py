"""The life of a trial as one table, and a trial as a reader sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cotune.config import Config
from cotune.records import events as e
from cotune.records.events import Event, JsonValue


class State(StrEnum):
    """Where a trial stands: waiting -> running <-> paused -> done, failed or stopped."""

    WAITING = "waiting"  # has a configuration and no worker
    RUNNING = "running"  # leased to a worker
    PAUSED = "paused"  # reached a milestone; the scheduler decides
    DONE = "done"  # has its result
    FAILED = "failed"  # has a reason instead
    STOPPED = "stopped"  # the scheduler gave it up

    @property
    def is_final(self) -> bool:
        """Whether the trial has its one outcome."""
        return self in _FINAL


_FINAL = frozenset({State.DONE, State.FAILED, State.STOPPED})

TRANSITIONS: dict[tuple[State | None, type[Event]], State] = {
    (None, e.Enqueued): State.WAITING,
    (None, e.Started): State.RUNNING,
    (State.WAITING, e.Resumed): State.RUNNING,
    (State.PAUSED, e.Resumed): State.RUNNING,
    (State.RUNNING, e.Reported): State.RUNNING,
    (State.RUNNING, e.Checkpointed): State.RUNNING,
    (State.RUNNING, e.Reached): State.PAUSED,
    (State.RUNNING, e.Passed): State.RUNNING,
    (State.RUNNING, e.Released): State.WAITING,
    (State.RUNNING, e.Reclaimed): State.WAITING,
    (State.RUNNING, e.Finished): State.DONE,
    (State.RUNNING, e.Failed): State.FAILED,
    (State.PAUSED, e.Stopped): State.STOPPED,
    (State.WAITING, e.Stopped): State.STOPPED,
}
"""Every legal step of a trial's life. What is not here cannot be in a log."""

CAUSES = {
    "diverged": "an objective became NaN or infinite",
    "error": "the user's code raised an exception",
    "no result": "the objective ended without a value for every objective",
    "wrong result": "the objective returned something that is not a real number",
    "out of memory": "the host or the device ran out of memory",
    "timeout": "it took longer than trial_timeout",
    "exit": "the user's code asked the process to exit",
    "crash": "three workers died while they trained it",
    "no state": "it should go on from another trial's state, which is gone",
    "reported": "the user told the study that it failed",
}
"""Why a trial can fail."""

ATTEMPTS = 3
"""A trial whose worker died this many times has failed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no result: one of `CAUSES`, the message, and the user's part of the traceback."""

    cause: str
    reason: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file below the study's `checkpoints` folder that holds a trial's state at `step`."""

    step: int
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration and what came of it, as it stood when it was read.

    metrics: the values at the last step, or at the milestone where it was left. curve: metric name -> values at
    `steps`. decision: why it was proposed. parent: (trial, step) that a fork went on from. seconds: measured training
    time of all leases that ended.
    """

    number: int
    config: Config
    state: State
    metrics: Mapping[str, float]
    steps: Sequence[int]
    curve: Mapping[str, Sequence[float]]
    decision: Mapping[str, JsonValue]
    parent: tuple[int, int] | None
    failure: Failure | None
    checkpoint: Checkpoint | None
    attempts: int
    seconds: float
    task: int = 0
