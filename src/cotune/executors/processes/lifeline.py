"""That no process outlives the search that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import final

_PR_SET_PDEATHSIG = 1
_GUARD = """
import os, signal, sys
leaders = set()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
for line in sys.stdin:
    (leaders.add if line[0] == "+" else leaders.discard)(int(line[1:]))
for leader in leaders:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


def tie_to(parent: int) -> None:
    """Have the kernel end this process with the one that started it, at once if that is gone already (Linux).

    Elsewhere a worker notices by the end of its pipe.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_group(leader: int) -> None:
    """Kill a process and all that it started, such as those that read its data."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@final
class Guard:
    """A process that does nothing but outlive the search, and then ends what is left of its workers' groups."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", _GUARD]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)

    def watch(self, leader: int) -> None:
        """From now on a group is watched."""
        self._say(f"+{leader}\n")

    def forget(self, leader: int) -> None:
        """The group is gone, and its number may be another's soon."""
        self._say(f"-{leader}\n")

    def close(self) -> None:
        """The search ends by itself."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(line)
