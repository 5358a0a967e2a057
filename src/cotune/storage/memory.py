"""A log that lives in this process and ends with it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cotune.records import Event
from cotune.storage.storage import CHUNK, conflict

_names = itertools.count()


class MemoryStorage:
    """Events in a list. Several studies may share one `MemoryStorage` through `sibling`, each as its own worker."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._workers: set[str] = set()
        self._lock = threading.RLock()
        self._decision_lock = threading.Lock()
        self._name: str | None = None

    def sibling(self) -> MemoryStorage:
        """Another worker on the same log."""
        other = MemoryStorage()
        other._events, other._workers = self._events, self._workers
        other._lock, other._decision_lock = self._lock, self._decision_lock
        return other

    @property
    def worker(self) -> str:
        if self._name is None:
            self._name = f"memory-{next(_names)}"
            self._workers.add(self._name)
        return self._name

    def read(self, after: int) -> list[Event]:
        with self._lock:
            return self._events[after : after + CHUNK]

    def append(self, events: Sequence[Event], after: int) -> bool:
        with self._lock:
            if conflict(events, self._events[after:]):
                return False
            self._events.extend(events)
            return True

    def alive(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._workers)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        with self._decision_lock:
            yield

    def close(self) -> None:
        if self._name is not None:
            self._workers.discard(self._name)
            self._name = None
