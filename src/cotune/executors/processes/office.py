"""The search, as a worker sees it at the other end of the pipe."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from cotune.errors import LeaseLost
from cotune.executors.equipment import Equipment
from cotune.executors.executor import ENDS
from cotune.executors.interruption import Interruption
from cotune.executors.processes.lifeline import end_group
from cotune.executors.processes.messages import (
    Answer,
    Began,
    Broken,
    Call,
    Goodbye,
    Leave,
    Notice,
    Outfit,
    Ready,
    Welcome,
    Work,
)
from cotune.executors.processes.remote import RemoteCheckpoints
from cotune.records import Event, Job


class Office:
    """Takes jobs in and facts out. Safe to use from several threads; one more listens to the pipe.

    is_busy: whether jobs that were taken have not ended.
    """

    def __init__(self, connection: Connection) -> None:
        self.interruption, self._is_told_to_leave = Interruption(), False
        self._connection = connection
        self._calling, self._sending = threading.RLock(), threading.Lock()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._held = set[tuple[int, int]]()

    @property
    def is_busy(self) -> bool:
        return bool(self._held)

    def leave(self, number: int = signal.SIGINT) -> None:
        """Have all jobs given back at their next epoch's end: the search said so, or a signal of that number."""
        self._is_told_to_leave = True
        self.interruption.request(number)

    def welcome(self) -> Welcome:
        """The first message; from then on a thread listens."""
        message = self._connection.recv()
        assert isinstance(message, Welcome)
        threading.Thread(target=self._listen, daemon=True).start()
        return message

    def ready(self) -> None:
        """Say that work may come."""
        self._send(Ready())

    def broken(self, error: Exception) -> None:
        """Say that none can be done, and why."""
        self._send(Broken(error))

    def work(self) -> Sequence[Job] | None:
        """All new jobs, of which there may be none while others are in work; None if there will be no more."""
        new = list[Job]()
        with suppress(queue.Empty):
            while True:
                jobs = self._inbox.get(block=not (self.is_busy or new))
                if jobs is None:
                    return None
                new += jobs
        if new:
            self._held |= {(job.number, job.epoch) for job in new}
            self._send(Began([job.number for job in new]))
        return new

    def equipment(self, outfit: Outfit) -> Equipment:
        """What an executor in this process trains with; what it lacks here is asked of the search."""
        checkpoints = outfit.checkpoints if outfit.checkpoints is not None else RemoteCheckpoints(self.call)
        return Equipment(
            outfit.objective, checkpoints, self.interruption, outfit.folder, self._notice, outfit.space,
            lambda name: self.call("recall", name), lambda name, value: self.call("remember", name, value),
            self._judge if outfit.has_judge else None,
        )  # fmt: skip

    def emit(self, events: Sequence[Event]) -> None:
        """As `Emit`: returns when the search has taken the facts over."""
        self._pass_on()
        try:
            self.call("emit", list(events))
        except LeaseLost:
            numbers = {event.number for event in events}
            if len(numbers) == 1:  # of several, the executor will say which
                self._held = {job for job in self._held if job[0] not in numbers}
            raise
        self._held -= {(event.number, event.epoch) for event in events if isinstance(event, ENDS)}

    def call(self, name: str, *arguments: Any) -> Any:
        """Have the search do something, and return what it returns or raise what it raises."""
        with self._calling:
            self._send(Call(name, arguments))
            answer = self._answers.get()
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _pass_on(self) -> None:
        """What the user's code asked for, by ending a search inside it or by a KeyboardInterrupt, it gets."""
        if self.interruption.is_requested and not self._is_told_to_leave:
            self._is_told_to_leave = True
            self.call("interrupt", self.interruption.signal)

    def _judge(self, number: int, epoch: int, step: int, seconds: float) -> int | None:
        """As `Equipment.judge`. A trial that is stopped has its outcome; its executor says no more of it."""
        until: int | None = None
        try:
            until = self.call("judge", number, epoch, step, seconds)
        finally:
            if until is None:
                self._held.discard((number, epoch))
        return until

    def _notice(self, text: str) -> None:
        self._send(Notice(text))

    def _send(self, message: Any) -> None:
        with self._sending:
            self._connection.send(message)

    def _listen(self) -> None:
        try:
            while True:
                match self._connection.recv():
                    case Answer() as answer:
                        self._answers.put(answer)
                    case Work(jobs):
                        self._inbox.put(jobs)
                    case Leave():
                        self.leave()
                    case Goodbye():
                        self._inbox.put(None)
                        return
        except (EOFError, OSError):
            end_group(os.getpgid(0))  # the search is gone, and so is everybody who would want the results
