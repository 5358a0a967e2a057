"""How much memory a worker may use, and how much it does. Read from /proc; elsewhere nothing is known or limited."""

from __future__ import annotations

import re
import resource
from contextlib import suppress
from pathlib import Path

from cotune.errors import StudyError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)
_KILLS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


def checked_limit(limit: object) -> int:
    """Bytes of "4GB", "512 MiB" or a whole number; StudyError for anything else."""
    found = _SIZE.fullmatch(limit) if isinstance(limit, str) else None
    if found is not None and found[2].lower() in _UNITS:
        size = float(found[1]) * _UNITS[found[2].lower()]
    else:
        size = limit if isinstance(limit, int) and not isinstance(limit, bool) else 0
    if size < 1:
        raise StudyError(
            f"Processes(memory_limit={limit!r}) takes a size, such as '4GB', '512MiB' or a number of bytes"
        )
    return int(size)


def used(pid: int, limit: int) -> int:
    """Bytes of a process and its children, as far as they exceed `limit`; 0 if that is not known.

    What forked processes share counts once, which takes longer to find out than an upper bound.
    """
    pids = _family(pid)
    most = sum(_sizes(f"/proc/{one}/status").get("RssAnon", 0) for one in pids)
    if most <= limit:
        return most
    return sum(_sizes(f"/proc/{one}/smaps_rollup").get("Pss_Anon", 0) for one in pids)


def limit_data(limit: int, pid: int) -> None:
    """Have this process's allocations fail once it uses `limit` bytes; what it takes at once must fit, too.

    Raises StudyError if it uses more already.
    """
    status = _sizes(f"/proc/{pid}/status")
    if "RssAnon" not in status:
        return
    left = limit - status["RssAnon"]
    if left <= 0:
        raise StudyError(
            f"Processes(memory_limit=...) allows a worker {limit / 1e6:.0f} MB, of which PyTorch alone takes "
            f"{status['RssAnon'] / 1e6:.0f} MB. Allow more."
        )
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (status["VmData"] + left, hard))


def kills() -> int:
    """How many processes the kernel has killed for want of memory, as far as it tells."""
    for file in _KILLS:
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)", file.read_text(), re.MULTILINE)
            if found:
                return int(found[1])
    return 0


def _sizes(file: str) -> dict[str, int]:
    """Name -> bytes."""
    with suppress(OSError):
        lines = (line.split() for line in Path(file).read_text().splitlines() if line.endswith(" kB"))
        return {name.rstrip(":"): 1024 * int(size) for name, size, _ in lines}
    return {}


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [one for child in file.read_text().split() for one in _family(int(child))]
    return found
