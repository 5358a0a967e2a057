"""What trains trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from cotune.errors import LeaseLost
from cotune.records import Event, Failed, Finished, Job, Reached, Released

Emit = Callable[[Sequence[Event]], None]
"""Takes facts and returns when they are in the log; raises LeaseLost when their trial belongs to another worker now."""

ENDS = (Finished, Failed, Reached, Released)
"""What ends a job."""


class Executor(Protocol):
    """Trains jobs to their milestones. It sees neither the history nor the storage.

    One whose trials cannot end this process may say so by an attribute `isolates = True`: then the death of this
    process is no trial's fault.
    """

    slots: int  # trials at once

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs over; at most as many as there are free slots."""

    def wait(self, timeout_s: float, emit: Emit) -> None:
        """Train or listen, and emit what happens; returns when a job ended, or after about `timeout_s`.

        An executor that trains in the calling thread returns after each job, however long that takes. Once somebody
        asked to stop, it gives back every job that it holds.
        """

    def close(self) -> None:
        """End everything that was started; jobs that did not end are left to be reclaimed."""


def emit_unless_lost(events: Sequence[Event], emit: Emit) -> None:
    """A trial that lost its lease leaves no trace."""
    with suppress(LeaseLost):
        emit(events)


def isolates(executor: Executor) -> bool:
    """Whether trials cannot end the process that decides."""
    return bool(getattr(executor, "isolates", False))
