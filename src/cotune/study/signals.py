"""SIGINT and SIGTERM: the first ends the search in good order within seconds, the second ends the process at once.

A Python signal handler runs only when the main thread is back in Python. So a second thread watches the pipe into which
the interpreter writes every signal's number the moment it comes, and sees to it that the search ends in time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cotune.executors.interruption import Interruption

PATIENCE_S = 3.5
"""How long a trial has to come to an epoch's end before it is left where it stands."""
LIMIT_S = 4.5
"""After this long the process ends even if the user's code never returns to Python."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Watch:
    """Ends a search in time after its first signal, whatever the main thread is doing."""

    def __init__(self, interruption: Interruption, resume_hint: str) -> None:
        self._interruption, self._hint = interruption, resume_hint
        self._is_overdue = False
        self._is_over = threading.Event()

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """In the main thread, as soon as it is back in Python."""
        if self._is_overdue:
            self._is_overdue = False
            self._interruption.abandon()
        elif not self._interruption.is_requested:
            self._interruption.request(number)
        else:
            _die(number)

    def listen(self, pipe: int) -> None:
        """In a thread of its own: the countdown begins with the first signal."""
        while not self._is_over.is_set():
            numbers = [number for number in os.read(pipe, 64) if number in _SIGNALS]
            if numbers:
                self._count_down(numbers[0])
                return

    def end(self) -> None:
        """The search is over."""
        self._is_over.set()

    def _count_down(self, number: int) -> None:
        begun = time.monotonic()
        if self._is_over.wait(PATIENCE_S):
            return
        self._is_overdue = True
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        if not self._is_over.wait(begun + LIMIT_S - time.monotonic()) and not _is_interactive():
            sys.stderr.write(f"\n{self._hint}\n")
            sys.stderr.flush()
            os._exit(128 + number)  # what is in the log is durable, and the kernel gives the trial back


@contextmanager
def handled(interruption: Interruption, resume_hint: str) -> Iterator[None]:
    """While the search runs, turn signals into requests. Outside the main thread signals are left as they are.

    resume_hint: printed if the process must be ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(interruption, resume_hint)
    before = {number: signal.signal(number, watch.handle) for number in _SIGNALS}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=watch.listen, args=(reader,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.end()
        signal.set_wakeup_fd(wakeup)
        os.write(writer, b"\0")  # wakes the thread, which then sees that the search is over
        thread.join()
        os.close(reader)
        os.close(writer)
        for number, old in before.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)


def _die(number: int) -> None:
    """End the process as the signal does by default; in a notebook, only the cell."""
    if _is_interactive():
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_interactive() -> bool:
    return bool(getattr(sys, "ps1", "")) or "ipykernel" in sys.modules
