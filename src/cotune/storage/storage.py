"""What a study needs from the place where its log lives."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cotune.records import Event

CHUNK = 1_000
"""How many events are read at once: more would be garbage for the collector to walk while a long log is folded."""


class Storage(Protocol):
    """An append-only log of events, shared by any number of workers.

    A worker is one process (or one in-memory study) that trains trials. Storage knows which workers are alive and
    decides, at each append, whether the writer knew enough.
    """

    @property
    def worker(self) -> str:
        """The name under which this process holds leases; from the first use on it counts as alive."""

    def read(self, after: int) -> list[Event]:
        """The next events behind position `after`: `CHUNK` of them, fewer at the end. Positions begin at 1."""

    def append(self, events: Sequence[Event], after: int) -> bool:
        """Write the events in one piece, durably, and return True.

        Returns False and writes nothing if, behind position `after`, there is an event of a trial that `events` speak
        of, or if both sides hold a decision: then read, fold, decide again.
        """

    def alive(self) -> frozenset[str]:
        """The workers that live. A worker that is not in it will never write again under its name."""

    def deciding(self) -> AbstractContextManager[None]:
        """A lock for whoever is about to decide; it only saves work, correctness is `append`'s."""

    def close(self) -> None:
        """Give up the worker's name and all files. Using the storage again opens them again."""


def conflict(events: Sequence[Event], written: Sequence[Event]) -> bool:
    """Whether `events`, prepared without knowledge of `written`, may no longer be appended."""
    numbers = {event.number for event in events if event.number is not None}
    deciding = any(event.is_decision for event in events)
    return any((deciding and event.is_decision) or event.number in numbers for event in written)
