"""When the end of a job counts: as it comes, or when it is its turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cotune.executors.executor import ENDS, Emit, emit_unless_lost
from cotune.records import Event, Job, Released


class Turns:
    """Stands between the workers and the log, and knows all jobs that have not ended.

    Ordered, jobs end as if all trained side by side, an epoch each in every round: by the round of their end, then by
    number. What follows from a result then depends neither on the number of workers nor on their speed. Reports and
    checkpoints are logged at once, because no decision looks at them before the job has ended.
    """

    def __init__(self, *, are_ordered: bool) -> None:
        self._are_ordered = are_ordered
        self._jobs: dict[int, Job] = {}
        self._ends: dict[int, Event] = {}
        self._has_news = False

    def enter(self, jobs: Iterable[Job]) -> None:
        """Jobs were taken over."""
        self._jobs |= {job.number: job for job in jobs}

    def sorted(self, jobs: Iterable[Job]) -> list[Job]:
        """The order in which to begin them."""
        return sorted(jobs, key=_due) if self._are_ordered else list(jobs)

    def log(self, events: Sequence[Event], emit: Emit) -> None:
        """Log facts, the ends of jobs maybe later. Raises LeaseLost as `emit` does."""
        ends = {event.number: event for event in events if isinstance(event, ENDS) and event.number in self._jobs}
        if not self._are_ordered:
            emit(events)
            for number in ends:
                self.leave(number)
            return
        facts = [event for event in events if not isinstance(event, ENDS)]
        if facts:
            emit(facts)
        self._ends |= ends

    def leave(self, number: int) -> None:
        """A trial's job is over; who is next is decided anew before anybody else's turn."""
        self._jobs.pop(number, None)
        self._ends.pop(number, None)
        self._has_news = True

    def let_out(self, emit: Emit) -> bool:
        """Log an end whose turn it is. Whether a job has ended or left since the last call."""
        if not self._has_news:
            first = min(self._jobs.values(), key=_due, default=None)
            if first is not None and first.number in self._ends:
                self._let_out(first.number, emit)
        had_news, self._has_news = self._has_news, False
        return had_news

    def give_up(self, seconds: Mapping[int, float], emit: Emit) -> None:
        """Give all jobs back, also those whose ends wait: between two ends there would have been a decision.

        seconds: that trials have trained.
        """
        for number, job in sorted(self._jobs.items()):
            spent = getattr(self._ends.get(number), "seconds", seconds.get(number, 0.0))
            self._ends[number] = Released(number, job.epoch, spent)
            self._let_out(number, emit)

    def _let_out(self, number: int, emit: Emit) -> None:
        end = self._ends[number]
        self.leave(number)
        emit_unless_lost([end], emit)


def _due(job: Job) -> tuple[int, int]:
    """After which round a job ends, and its number; one of unknown length takes a round."""
    return job.begun + (job.until or job.steps or job.step + 1), job.number
