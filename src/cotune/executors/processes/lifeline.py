"""That no process outlives the search that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


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
