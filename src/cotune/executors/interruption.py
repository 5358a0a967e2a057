"""How a request to stop reaches a trial that is being trained."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cotune.errors import Interrupted


class Abandoned(BaseException):
    """Raised inside a user's function that did not come to an epoch's end in time."""


class Interruption:
    """A request to stop, made by a signal handler and obeyed at the next epoch's end, or at once where that is safe.

    is_requested: whether somebody asked; signal: the number of the signal that did, SIGINT's if it was no signal.
    Between `exposed` and its end the user's code runs, and `abandon` may raise
    `Abandoned` in it; inside `shielded` (while facts are being logged) it has to wait until the shield ends.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self.signal: int = signal.SIGINT
        self._is_overdue = False
        self._is_exposed = False
        self._thread: int | None = None

    def request(self, number: int = signal.SIGINT) -> None:
        """Ask the running trial to leave at its next epoch's end; the first request counts."""
        if not self.is_requested:
            self.is_requested, self.signal = True, number

    def request_by(self, error: BaseException) -> None:
        """The same, by what came out of the user's code: the end of a search inside it, or a KeyboardInterrupt."""
        self.request(int(error.code) - 128 if isinstance(error, Interrupted) and error.code else signal.SIGINT)

    def abandon(self) -> None:
        """Leave the user's code now, or as soon as the shield ends. Called in the main thread, by a signal handler."""
        self._is_overdue = True
        if self._is_exposed and self._thread == threading.get_ident():
            raise Abandoned

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """While the user's code runs."""
        self._thread = threading.get_ident()
        self._is_exposed = True
        try:
            if self._is_overdue:
                raise Abandoned
            yield
        finally:
            self._is_exposed = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """While facts are being logged in the middle of the user's code."""
        before, self._is_exposed = self._is_exposed, False
        try:
            yield
        finally:
            self._is_exposed = before
        if self._is_overdue and self._is_exposed:
            raise Abandoned
