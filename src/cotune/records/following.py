"""What somebody makes of a history as it grows: read once, arrival by arrival, and never twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from cotune.records.history import Arrival, History


class Follower(ABC):
    """Follows the arrivals of one history. All that it keeps can be computed again from the beginning."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._n_read = 0

    @abstractmethod
    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""

    def catch_up(self) -> None:
        """Take in who arrived since."""
        for arrival in self.history.arrivals[self._n_read :]:
            self.take(arrival)
        self._n_read = len(self.history.arrivals)


_Kind = TypeVar("_Kind", bound=Follower)


def followed(cache: list[_Kind], history: History, begin: Callable[[], _Kind]) -> _Kind:
    """The follower of that history, up to date; one that the cache has of another history is replaced."""
    if not cache or cache[0].history is not history:
        cache[:] = [begin()]
    cache[0].catch_up()
    return cache[0]
