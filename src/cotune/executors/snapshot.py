"""What is kept of a trial while it trains, and how the files that hold it are named."""

from __future__ import annotations

from typing import Any, NamedTuple

from cotune.records import Checkpoint


class Stamp(NamedTuple):
    """What a file is named after: the trial, the lease and the step of its state, or of the first one in it."""

    number: int
    epoch: int
    step: int

    @classmethod
    def of(cls, file: str) -> Stamp:
        """That stands in a file's name."""
        return cls(*(int(part) for part in file.partition(".")[0].split("-")))

    def __str__(self) -> str:
        return f"{self.number:06d}-{self.epoch}-{self.step}"


class Snapshot(NamedTuple):
    """What is to be kept: the state of a trial at the end of a step."""

    stamp: Stamp
    content: Any


def file_of(checkpoint: Checkpoint) -> str:
    """The file that holds it, alone or with others."""
    return checkpoint.file.partition("@")[0]
