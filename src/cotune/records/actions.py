"""What strategies propose, what schedulers decide, and what executors are given to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.random import Generator

from cotune.config import Config
from cotune.records.events import JsonValue
from cotune.records.trial import Checkpoint

Draw = Callable[[int], Generator]
"""Trial number -> that trial's own generator for choosing; the same numbers each time it is asked."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration worth trying, and why: `decision` becomes the trial's decision record."""

    config: Config
    decision: Mapping[str, JsonValue]
    task: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a new trial and train it until a step; with `parent`, a trial's number, from that one's last checkpoint."""

    suggestion: Suggestion
    until: int | None
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Continue a waiting or paused trial until a step; `decision` says why, where that was a choice."""

    number: int
    until: int | None
    decision: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up a waiting or paused trial; `decision` says why."""

    number: int
    decision: Mapping[str, JsonValue]


Action = Start | Resume | Stop


@dataclass(frozen=True, slots=True)
class Job:
    """One lease to work off: all that an executor needs to train a trial up to its milestone.

    seed: the trial's own. shared_seed: the study's, for what all trials share (a split). step: where it continues.
    until: the step to yield at, steps: the last step of a trial; None where it is not known. reported: the metrics of
    `step`, if an earlier lease or a parent trained it. begun: its place among trials that train side by side, see
    `History.begun`. is_fork: whether another trial trained its first steps, so that nobody can train them again.
    attempts: how many workers have died with it since it got further.
    """

    number: int
    epoch: int
    config: Config
    task: int
    seed: int
    shared_seed: int
    step: int
    until: int | None
    steps: int | None
    checkpoint: Checkpoint | None
    reported: Mapping[str, float]
    objectives: tuple[str, ...]
    begun: int = 0
    is_fork: bool = False
    attempts: int = 0
