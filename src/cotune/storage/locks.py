"""Locks that the kernel releases when their process ends, however it ends.

A worker's life is an exclusive `flock` on a file of its own. The kernel drops it at the process's death, so there is
no heartbeat to miss, no clock to trust and no process number to be reused.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_held: weakref.WeakSet[WorkerLock] = weakref.WeakSet()


class WorkerLock:
    """Proof of life: as long as this process lives and has not called `release`, `name` is among `living`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._path = folder / name
        self._descriptor = self._acquire()
        _held.add(self)

    def _acquire(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # whoever looked between open and flock may have taken the file for a dead worker's and removed it
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                    return descriptor
            os.close(descriptor)

    def release(self) -> None:
        """End the worker's life; its leases may be reclaimed at once."""
        _held.discard(self)
        with suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._descriptor)

    def forget(self) -> None:
        """Close a forked child's copy of the lock, lest the child keep a dead parent alive."""
        os.close(self._descriptor)


def _forget_in_child() -> None:
    for lock in list(_held):
        lock.forget()
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def living(folder: Path) -> frozenset[str]:
    """Names of the workers that live; files of dead ones are removed."""
    with suppress(FileNotFoundError):
        return frozenset(path.name for path in folder.iterdir() if _is_held(path))
    return frozenset()


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(FileNotFoundError):
            path.unlink()
        return False
    finally:
        os.close(descriptor)


class FileLock:
    """Mutual exclusion between processes and threads, through one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread_lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it."""
        with self._thread_lock:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
