"""What every executor trains with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cotune.errors import StudyError
from cotune.executors import folders
from cotune.executors.executor import Executor
from cotune.executors.interruption import Interruption
from cotune.executors.snapshot import Snapshot
from cotune.records import Checkpoint, JsonValue
from cotune.space import Space


class Checkpoints(Protocol):
    """Keeps states by trial, lease and step. A file name never repeats, so a late writer overwrites nobody's state."""

    def save(self, state: Snapshot) -> Checkpoint:
        """Write the state durably and say where it is."""

    def save_together(self, states: Sequence[Snapshot]) -> list[Checkpoint]:
        """Write states that will be replaced together, with one wait for the disk, and say where each is."""

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was saved. Raises StorageError if it is missing or damaged."""


class CheckpointStore(Checkpoints, Protocol):
    """Can also be tidied up."""

    def remove(self, file: str) -> int:
        """Drop a file that no one needs any more; returns the bytes freed."""

    def sizes(self) -> dict[str, int]:
        """Bytes of every file that is kept."""


@dataclass(frozen=True)
class Equipment:
    """What is trained, where its states go, and who may interrupt it.

    objective: trains a `RunningTrial` and may return its result. folder: the study's, or one that goes with the
    search. notice: shows the user a line while the search goes on. space: what trials are drawn from. recall, remember:
    what an executor of this study was told or found out before, by name; None for nothing. judge: (trial, lease, step,
    seconds that it took) of a trial that came to its milestone and keeps no state to pause with -> until which step it
    goes on, None if it is stopped; without a judge it is left and begins again.
    """

    objective: Callable[[Any], Any]
    checkpoints: Checkpoints
    interruption: Interruption
    folder: Path
    notice: Callable[[str], None]
    space: Space
    recall: Callable[[str], JsonValue]
    remember: Callable[[str, JsonValue], None]
    judge: Callable[[int, int, int, float], int | None] | None = None

    def settled(self, name: str, value: JsonValue) -> JsonValue:
        """What was said of it first, or `value` from now on."""
        known = self.recall(name)
        if known is None:
            self.remember(name, value)
        return value if known is None else known

    def directory(self, number: int) -> Path:
        """A folder of the trial's own, made when it is asked for."""
        folder = folders.of_trial(self.folder, number)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Equippable(Protocol):
    """Settings of an executor, as users write them (`ct.Inline(...)`); they become an executor when a search starts."""

    def equip(self, equipment: Equipment) -> Executor:
        """The executor, ready to train what the equipment says."""


@runtime_checkable
class Enclosing(Equippable, Protocol):
    """An executor that trains in several processes, with another executor in each of them."""

    @property
    def is_open(self) -> bool:
        """Whether it is left to a measurement which one that is."""

    @property
    def most_together(self) -> tuple[int | None, int]:
        """So many trials at a time, None: any number, in so many processes, as far as the result may follow from it."""

    @property
    def alone(self) -> Equippable:
        """The same with a single process."""

    def around(self, engine: Equippable) -> Equippable:
        """The same with this in each process."""


def require_seconds(argument: str, seconds: object) -> None:
    """Raise StudyError unless it is a number of at least 0. argument: as it is written, `Inline(checkpoint_s=`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise StudyError(f"{argument}{seconds!r}) takes a number of at least 0, in seconds")
