"""What the user's code prints in a worker: into a file per trial, where trials take turns, else into the worker's."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from cotune.executors.folders import log_of_trial

_STREAMS = (1, 2)


class Outputs:
    """Directs standard output and standard error, also those of libraries and child processes, into files."""

    def __init__(self, log: Path, folder: Path) -> None:
        """log: the worker's own file. folder: the study's, in which trials have theirs."""
        self._own, self._now, self._folder = log, log, folder
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(line_buffering=True, errors="replace")

    def of(self, number: int | None) -> None:
        """From now on it is a trial's; None: nobody's in particular."""
        file = self._own if number is None else log_of_trial(self._folder, number)
        if file == self._now:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the user's code may have closed or replaced it
                stream.flush()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        for stream_number in _STREAMS:
            os.dup2(descriptor, stream_number)
        os.close(descriptor)
        before, self._now = self._now, file
        if before != self._own:
            with suppress(OSError):
                if before.stat().st_size == 0:
                    before.unlink()
