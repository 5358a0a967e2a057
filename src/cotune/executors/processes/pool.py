"""The executor whose jobs are trained by workers: it hands out jobs, takes facts in, and replaces workers that end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import wait as first_of
from typing import Any, final

from cotune.errors import CotuneError, LeaseLost, StudyError
from cotune.executors import outcome
from cotune.executors.equipment import Equipment
from cotune.executors.executor import ENDS, Emit, emit_unless_lost
from cotune.executors.folders import log_of_worker
from cotune.executors.parcel import Parcel
from cotune.executors.processes import memory
from cotune.executors.processes.company import Company
from cotune.executors.processes.lifeline import Guard
from cotune.executors.processes.messages import Answer, Began, Broken, Call, Notice, Outfit, Ready, Welcome
from cotune.executors.processes.places import Place
from cotune.executors.processes.remote import Kept
from cotune.executors.processes.turns import Turns
from cotune.executors.processes.worker import Assignment, Worker, in_words
from cotune.records import ATTEMPTS, Checkpointed, Event, Job, Reclaimed, Released

PATIENCE_S = 3.0
"""Once somebody asked to stop, a worker has so long to come to an epoch's end."""
_FAREWELL_S = 1.0
"""So long all idle workers together may take to end by themselves: a signal ends a search within five seconds."""
_TICK_S = 0.1
_STARTS = 3
"""So many workers in a row may end before they are ready; the very first may not."""


@final
class Pool:
    """Workers of one search. A worker that ends costs an attempt of the trial that it had in hand, and is replaced.

    lanes: trials that a worker trains at once. trial_timeout, memory_limit: of seconds, and of bytes of a worker.
    """

    isolates = True

    def __init__(
        self, outfit: Outfit, equipment: Equipment, places: Sequence[Place], *, lanes: int, at_once: int | None,
        trial_timeout: float | None, memory_limit: int | None,
    ) -> None:  # fmt: skip
        """at_once: so many jobs are ordered, whatever the number of workers; None: they are not."""
        self.slots = lanes * len(places) if at_once is None else at_once
        self._lanes, self._equipment = lanes, equipment
        self._timeout, self._limit = trial_timeout, memory_limit
        self._turns = Turns(are_ordered=at_once is not None)
        self._queue: list[Job] = []
        self._company = Company()
        self._kept = Kept(equipment.checkpoints)
        self._looked_at, self._kills, self._failed_starts = 0.0, memory.kills(), _STARTS - 1
        self._parcel, self._resources = _packed(outfit), ExitStack()
        self._resources.callback(self._parcel.close)
        self._guard = Guard()
        self._resources.callback(self._guard.close)
        self._workers, self._vacant = list[Worker](), list[Place]()
        try:
            self._workers += [self._started(place) for place in places]
            while not (equipment.interruption.is_requested or any(worker.is_ready for worker in self._workers)):
                self._listen(_TICK_S, _nobody_trains_yet)
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ what every executor does

    def submit(self, jobs: Sequence[Job]) -> None:
        self._queue += jobs
        self._turns.enter(jobs)

    def wait(self, timeout_s: float, emit: Emit) -> None:
        """Hand out jobs and listen until one of them has ended."""
        try:
            self._wait(timeout_s, emit)
        except BaseException:
            with suppress(CotuneError):
                self._turns.give_up({}, emit)
            raise

    def _wait(self, timeout_s: float, emit: Emit) -> None:
        interruption, until = self._equipment.interruption, time.monotonic() + timeout_s
        while not interruption.is_requested:
            self._hand_out()
            self._listen(min(_TICK_S, timeout_s), emit)
            self._look_after(emit)
            if self._turns.let_out(emit) or time.monotonic() >= until:
                break
        if interruption.is_requested:
            self._give_back(emit)

    def close(self) -> None:
        self._queue.clear()
        for worker in self._workers:
            worker.dismiss()
        until = time.monotonic() + _FAREWELL_S
        for worker in self._workers:
            worker.await_end(until)
        self._end(list(self._workers))
        self._resources.close()

    # ------------------------------------------------------------------ jobs to workers

    def _started(self, place: Place) -> Worker:
        log = log_of_worker(self._equipment.folder, place.index)
        welcome = Welcome(sys.path, place.threads, self._limit, log, self._parcel)
        try:
            return Worker(place, welcome, self._guard)
        except OSError as error:
            raise StudyError(f"a worker cannot be started: {error}. Use fewer workers, or free memory.") from error

    def _lay_off(self, worker: Worker) -> None:
        """A worker is gone; another one takes its place as soon as there is something to do."""
        self._workers.remove(worker)
        self._vacant.append(worker.place)

    def _hand_out(self) -> None:
        if not self._queue:
            return
        while self._vacant:
            self._workers.append(self._started(self._vacant.pop()))
        ready = [worker for worker in self._workers if worker.is_ready and not worker.has_ended]
        shares = {worker: list[Job]() for worker in ready}
        for job in self._turns.sorted(self._queue):
            taken = {worker: [*worker.in_hand, *(one.number for one in shares[worker])] for worker in ready}
            free = [
                worker for worker, others in taken.items()
                if len(others) < self._lanes and self._company.suits(job.number, others)
            ]  # fmt: skip
            if free:
                self._queue.remove(job)
                shares[min(free, key=lambda worker: len(taken[worker]))].append(job)
        for worker, jobs in shares.items():
            if jobs:
                worker.give(jobs)

    # ------------------------------------------------------------------ facts from workers

    def _listen(self, timeout_s: float, emit: Emit) -> None:
        workers = {worker.pipe: worker for worker in self._workers}
        for pipe in first_of(list(workers), timeout_s):
            worker = workers[pipe]  # type: ignore[index]
            try:
                for message in worker.messages():
                    self._take(worker, message, emit)
            except EOFError:
                self._bury(worker, emit)

    def _take(self, worker: Worker, message: Any, emit: Emit) -> None:
        match message:
            case Ready():
                worker.is_ready, self._failed_starts = True, 0
            case Began(numbers):
                for number in numbers:
                    self._begun(worker, number)
            case Broken(error):
                raise error
            case Notice(text):
                self._equipment.notice(text)
            case Call(name, arguments):
                worker.answer(self._answer(worker, name, arguments, emit))

    def _answer(self, worker: Worker, name: str, arguments: tuple[Any, ...], emit: Emit) -> Answer:
        """What a worker cannot do itself."""
        if name == "emit":
            return self._logged(worker, arguments[0], emit)
        kept, equipment = self._kept, self._equipment
        services: Mapping[str, Callable[..., Any]] = {
            "save": kept.save, "load": kept.load, "recall": equipment.recall, "remember": equipment.remember,
            "interrupt": equipment.interruption.request, "judge": partial(self._judged, worker),
        }  # fmt: skip
        try:
            return Answer(services[name](*arguments))
        except CotuneError as error:
            return Answer(error=error)

    def _begun(self, worker: Worker, number: int) -> None:
        """A trial begins, or goes on from a milestone."""
        if number in worker.in_hand:
            worker.in_hand[number].since, worker.in_hand[number].has_begun = time.monotonic(), True

    def _judged(self, worker: Worker, number: int, *where: Any) -> int | None:
        """What becomes of a trial at a milestone that keeps no state: until which step it goes on."""
        assert self._equipment.judge is not None, "a worker is told whether there is a judge"
        try:
            until = self._equipment.judge(number, *where)
        except LeaseLost:
            self._forget(worker, [number])
            raise
        if until is None:
            self._forget(worker, [number])
        else:
            self._begun(worker, number)
        return until

    def _logged(self, worker: Worker, events: Sequence[Event], emit: Emit) -> Answer:
        """Log what a worker says of its trials, and note what it means for them."""
        try:
            self._turns.log(events, emit)
        except LeaseLost as lost:
            numbers = _numbers(events)
            if len(numbers) == 1:  # of several, the worker will say which
                self._forget(worker, numbers)
            return Answer(error=lost)
        for event in events:
            if isinstance(event, Checkpointed) and event.number in worker.in_hand:
                worker.in_hand[event.number].has_progress = True
        self._drop(worker, _numbers(event for event in events if isinstance(event, ENDS)))
        return Answer()

    def _drop(self, worker: Worker, numbers: Iterable[int]) -> None:
        """The worker is done with these trials."""
        for number in numbers:
            worker.in_hand.pop(number, None)
            self._company.acquit(number)

    def _forget(self, worker: Worker, numbers: Collection[int]) -> None:
        """These trials are over, without an end that the worker tells."""
        self._drop(worker, numbers)
        for number in numbers:
            self._turns.leave(number)

    # ------------------------------------------------------------------ what goes wrong

    def _look_after(self, emit: Emit) -> None:
        """Now and then: notice who is dead though children hold its pipe, and end what takes too long or too much."""
        now = time.monotonic()
        if now < self._looked_at + _TICK_S:
            return
        self._looked_at = now
        for worker in list(self._workers):
            if worker.has_ended:
                with suppress(EOFError):
                    for message in worker.messages():
                        self._take(worker, message, emit)
                self._bury(worker, emit)
            elif worker.in_hand:
                self._look_at(worker, now, emit)
        self._kills = memory.kills()

    def _look_at(self, worker: Worker, now: float, emit: Emit) -> None:
        seconds = max(now - one.since for one in worker.in_hand.values())
        if self._timeout is not None and seconds > self._timeout:
            worker.kill()
            self._lose(worker, "timeout", f"it took more than trial_timeout={self._timeout:g} s", emit)
        elif self._limit is not None and (used := memory.used(worker.pid, self._limit)) > self._limit:
            worker.kill()
            self._lose(worker, "out of memory", f"its worker took {used / 1e6:.0f} MB, more than it may", emit)

    def _bury(self, worker: Worker, emit: Emit) -> None:
        """A worker ended by itself, or by somebody else's hand."""
        code = worker.bury()
        self._failed_starts += not worker.is_ready
        if self._failed_starts >= _STARTS:
            self._workers.remove(worker)
            said = worker.last_words or "(nothing)"
            raise StudyError(f"a worker {in_words(code)} before it could begin. It said:\n{said}")
        if code == 0:
            self._lay_off(worker)
            self._release(worker.in_hand.values(), emit)
        elif code == -signal.SIGKILL and memory.kills() > self._kills:
            self._lose(worker, "out of memory", "the machine ran out of memory, and its worker was killed", emit)
        else:
            self._lose(worker, "crash", f"its worker {in_words(code)}", emit)

    def _lose(self, worker: Worker, cause: str, reason: str, emit: Emit) -> None:
        """A worker is gone, with the trials that it had in hand. Of several it is not clear whose fault it was."""
        self._lay_off(worker)
        self._release([one for one in worker.in_hand.values() if not one.has_begun], emit)
        lost = [one for one in worker.in_hand.values() if one.has_begun]
        if len(lost) > 1:
            self._company.suspect([one.job.number for one in lost])
            self._equipment.notice(f"{cause} with {len(lost)} trials in a worker; they go on in halves ({reason})")
            self._release(lost, emit)
        elif lost:
            self._blame(lost[0], cause, reason, emit)

    def _blame(self, lost: Assignment, cause: str, reason: str, emit: Emit) -> None:
        """The trial has failed, or, after a crash, lost an attempt."""
        job = lost.job
        deaths = 1 + (0 if lost.has_progress else job.attempts)
        if cause == "crash" and deaths < ATTEMPTS:
            self._equipment.notice(f"trial {job.number}: {reason}; another one takes it over")
            self._turns.leave(job.number)
            emit_unless_lost([Reclaimed(job.number, job.epoch)], emit)
            return
        if cause == "crash":
            reason += f"; {ATTEMPTS} have died without getting the trial further"
        with suppress(LeaseLost):
            self._turns.log([outcome.failed(job, cause, reason, lost.seconds)], emit)

    def _give_back(self, emit: Emit) -> None:
        """Somebody asked to stop: what comes to no epoch's end in time goes back as it was last saved."""
        until = time.monotonic() + PATIENCE_S
        self._queue.clear()
        for worker in self._workers:
            worker.ask_to_leave()
        while any(worker.in_hand for worker in self._workers) and time.monotonic() < until:
            self._listen(_TICK_S, emit)
        late = [worker for worker in self._workers if worker.in_hand]
        seconds = {number: one.seconds for worker in late for number, one in worker.in_hand.items()}
        self._end(late)
        self._turns.give_up(seconds, emit)

    def _end(self, workers: Sequence[Worker]) -> None:
        """All at once, so that none is waited for while others still run."""
        for worker in workers:
            worker.strike()
        for worker in workers:
            worker.kill()
            self._workers.remove(worker)

    def _release(self, lost: Iterable[Assignment], emit: Emit) -> None:
        for one in lost:
            self._turns.leave(one.job.number)
            emit_unless_lost([Released(one.job.number, one.job.epoch, one.seconds)], emit)


def _packed(outfit: Outfit) -> Parcel:
    try:
        return Parcel.of(outfit)
    except Exception as error:
        raise StudyError(
            f"executor='processes' cannot send this objective to other processes: {error}. Make locks, open files and "
            "connections inside the function, or use executor='inline'."
        ) from error


def _numbers(events: Iterable[Event]) -> set[int]:
    return {event.number for event in events if event.number is not None}


def _nobody_trains_yet(events: Sequence[Event]) -> None:
    raise AssertionError(f"facts without a job: {events}")
