"""What a search and its workers say to each other over their pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotune.executors.equipment import Checkpoints, Equippable
from cotune.executors.parcel import Parcel
from cotune.records import Job
from cotune.space import Space

# ---------------------------------------------------------------------- to a worker


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first message: how to find the user's code, where to print, and what to train with, an `Outfit`."""

    path: Sequence[str]
    threads: int
    memory_limit: int | None
    log: Path
    outfit: Parcel


@dataclass(frozen=True, slots=True)
class Outfit:
    """What all workers train with. each: the executor inside. checkpoints: None where only the search can reach them.

    has_judge: whether the search decides about running trials.
    """

    objective: Callable[[Any], Any]
    each: Equippable
    checkpoints: Checkpoints | None
    folder: Path
    space: Space
    has_judge: bool


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs to train now."""

    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class Leave:
    """Give back all jobs at their next epoch's end."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """There is no more work."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, or the error that it raised."""

    value: Any = None
    error: Exception | None = None


# ---------------------------------------------------------------------- to the search


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker waits for work."""


@dataclass(frozen=True, slots=True)
class Began:
    """The worker trains these trials from now on."""

    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot begin, or cannot go on."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Call:
    """Something that only the search can do, by name; it is answered."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the user."""

    text: str
