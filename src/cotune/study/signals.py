"""SIGINT and SIGTERM: the first ends the search in good order within seconds, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cotune.executors.interruption import Interruption

PATIENCE_S = 3.5
"""How long a trial has to come to an epoch's end before it is left where it stands."""
LIMIT_S = 4.7
"""After this long the process ends even if the user's code never returns to Python."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Handler:
    def __init__(self, interruption: Interruption, resume_hint: str) -> None:
        self.received: int | None = None
        self._interruption, self._hint = interruption, resume_hint
        self._is_overdue = threading.Event()
        self._is_over = threading.Event()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._is_overdue.is_set() and number == self.received:
            self._is_overdue.clear()
            self._interruption.abandon()
        elif self.received is not None:
            _die(number)
        else:
            self.received = number
            self._interruption.request()
            threading.Thread(target=self._hurry, daemon=True).start()

    def finish(self) -> None:
        self._is_over.set()

    def _hurry(self) -> None:
        """Interrupt the user's code if no epoch ends in time; end the process if even that does not help."""
        assert self.received is not None
        if self._is_over.wait(PATIENCE_S):
            return
        self._is_overdue.set()
        signal.pthread_kill(threading.main_thread().ident or 0, self.received)
        if not self._is_over.wait(LIMIT_S - PATIENCE_S) and not _is_interactive():
            sys.stderr.write(f"\n{self._hint}\n")
            sys.stderr.flush()
            os._exit(128 + self.received)


@contextmanager
def handled(interruption: Interruption, resume_hint: str) -> Iterator[_Handler]:
    """While the search runs, turn signals into requests. Outside the main thread signals are left as they are.

    After the block, `received` is the signal's number, or None. resume_hint: printed if the process must be ended.
    """
    handler = _Handler(interruption, resume_hint)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield handler
    finally:
        handler.finish()
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
