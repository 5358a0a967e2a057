"""A worker, as the search sees it: its process, its pipe, and the jobs that it has in hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, final

import cotune
from cotune.executors.processes.lifeline import Guard, end_group
from cotune.executors.processes.messages import Goodbye, Leave, Welcome, Work
from cotune.executors.processes.places import Place
from cotune.records import Job

_PATIENCE_S = 2.0
"""So long an idle worker may take to end by itself."""
_POLL_S = 0.005
_SHOWN = 2000


@dataclass(slots=True)
class Assignment:
    """A job in a worker's hands, given at `since` or begun then. has_begun: whether the worker has said so.

    has_progress: whether a checkpoint was made of it there.
    """

    job: Job
    since: float = field(default_factory=time.monotonic)
    has_begun: bool = False
    has_progress: bool = False

    @property
    def seconds(self) -> float:
        """So long it has trained, until now."""
        return round(time.monotonic() - self.since, 6) if self.has_begun else 0.0


@final
class Worker:
    """One process that trains. in_hand: trial -> its assignment. is_ready: whether it has said that work may come."""

    def __init__(self, place: Place, welcome: Welcome, guard: Guard) -> None:
        self.place, self.in_hand, self.is_ready = place, dict[int, Assignment](), False
        self._log = log = welcome.log
        self.pipe, theirs = Pipe()
        command = [sys.executable, "-P", "-m", "cotune.executors.processes", str(theirs.fileno()), str(os.getpid())]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            self._log_begin = file.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                pass_fds=(theirs.fileno(), welcome.outfit.descriptor), env=_environment(place),
            )  # fmt: skip
        theirs.close()
        self.pid, self._guard = self._process.pid, guard
        guard.watch(self.pid)
        self._post(welcome)

    def give(self, jobs: Sequence[Job]) -> None:
        """Hand out jobs, together, so that those that can be fused begin in one pass."""
        self.in_hand |= {job.number: Assignment(job) for job in jobs}
        self._post(Work(jobs))

    def ask_to_leave(self) -> None:
        """Ask for all jobs back at their next epoch's end."""
        self._post(Leave())

    def answer(self, message: Any) -> None:
        """Answer a call."""
        self._post(message)

    def messages(self) -> Iterator[Any]:
        """What it has said; ends when there is nothing more now. Raises EOFError if there never will be."""
        while self.pipe.poll():
            try:
                yield self.pipe.recv()
            except OSError as error:  # reset, by a process that was killed
                raise EOFError from error

    def strike(self) -> None:
        """Have it end now, with everything that it started, without waiting for that; before `kill`."""
        end_group(self.pid)

    def kill(self) -> int:
        """End it now, with everything that it started; its exit code, or the signal that ended it with a minus."""
        end_group(self.pid)  # before its number is given back
        self._guard.forget(self.pid)
        self.pipe.close()
        code = self._process.wait()
        with suppress(OSError):
            if self._log.stat().st_size == 0:
                self._log.unlink()
        return code

    def bury(self) -> int:
        """The same after its pipe has ended, so that it ends by itself."""
        self._await_end(_PATIENCE_S)
        return self.kill()

    def dismiss(self) -> None:
        """Let it end by itself, which it does if it is idle."""
        self._post(Goodbye())

    def await_end(self, until: float) -> None:
        """After `dismiss`: if it is idle, it may end by itself until then, by the steady clock."""
        if self.is_ready and not self.in_hand:
            self._await_end(until - time.monotonic())

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more; its number stays its own, and so its group's, until `kill`."""
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        except ChildProcessError:  # somebody else has waited for it
            return True

    def _await_end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.has_ended and time.monotonic() < until:
            time.sleep(_POLL_S)

    @property
    def last_words(self) -> str:
        """The end of what it printed since it was started."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(max(self._log_begin, file.seek(0, os.SEEK_END) - _SHOWN))
            return file.read().decode(errors="replace").strip()
        return ""

    def _post(self, message: Any) -> None:
        with suppress(OSError):  # that it has ended is noticed elsewhere
            self.pipe.send(message)


def _environment(place: Place) -> dict[str, str]:
    """This process's, with the worker's own part, and with cotune where it was found here."""
    home = str(Path(cotune.__file__).parents[1])
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    threads = {f"{library}_NUM_THREADS": str(place.threads) for library in ("OMP", "MKL", "OPENBLAS")}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **threads, **place.environment}


def in_words(code: int) -> str:
    """How a process ended.

    >>> in_words(-11), in_words(3)
    ('was killed by SIGSEGV', 'ended with exit code 3')
    """
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"
