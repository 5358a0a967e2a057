"""Which checkpoints stay: those that can still be needed, and of the rest as many of the best as the quota allows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cotune.executors.equipment import Checkpoints
from cotune.executors.snapshot import Stamp, file_of
from cotune.records import History, State

QUOTA_BYTES = 2 * 2**30
_EVERY = 256


class Keeper:
    """Drops checkpoints that nobody needs any more.

    Kept always: the last state of every trial without an outcome, what a fork begins from, and the best. Dropped at
    once: what a later state of the same trial replaced, and states of failed trials. Dropped beyond the quota: those of
    trials that were stopped, then of finished ones, the worst first.
    """

    def __init__(self, checkpoints: Checkpoints, quota_bytes: int = QUOTA_BYTES) -> None:
        self._checkpoints, self._quota_bytes = checkpoints, quota_bytes
        self._tidied_at = 0

    def watch(self, history: History) -> None:
        """Tidy once in a while."""
        if history.position >= self._tidied_at + _EVERY:
            self.tidy(history)

    def tidy(self, history: History) -> None:
        """Drop what nobody needs, as the history stands now."""
        self._tidied_at = history.position
        sizes, needed = self._checkpoints.sizes(), _needed(history)
        for file in [file for file in sizes if file not in needed and not _is_ahead(history, Stamp.of(file))]:
            self._checkpoints.remove(file)
            del sizes[file]
        total = sum(sizes.values())
        for file in _spare(history, needed, sizes):
            if total <= self._quota_bytes:
                return
            total -= self._checkpoints.remove(file)


def _needed(history: History) -> dict[str, list[int]]:
    """Files with a state that somebody may continue from or hand back, and whose it is."""
    needed = dict[str, list[int]]()
    for number in range(len(history)):
        checkpoint = history.checkpoint(number)
        if checkpoint is not None and history.state(number) is not State.FAILED:
            needed.setdefault(file_of(checkpoint), []).append(number)
    return needed


def _is_ahead(history: History, stamp: Stamp) -> bool:
    """Whether a state is not in the log yet, but soon may be: of a lease that is running, or was not read."""
    if stamp.number >= len(history) or stamp.epoch > history.epoch(stamp.number):
        return True
    if not history.holds(stamp.number, stamp.epoch):
        return False
    known = history.checkpoint(stamp.number)
    latest = None if known is None else Stamp.of(known.file)
    return latest is None or latest.number != stamp.number or latest < stamp


def _spare(history: History, needed: dict[str, list[int]], files: Iterable[str]) -> list[str]:
    """Files of trials with an outcome that are not on the front, in the order in which they may go."""
    best, losses = set(history.front()), np.nan_to_num(history.y[:, 0])  # NaN: without a result

    def may_go(numbers: list[int]) -> bool:
        return bool(numbers) and all(history.state(number).is_final and number not in best for number in numbers)

    def worth(file: str) -> tuple[bool, float, int]:
        number = needed[file][0]
        return history.state(number) is not State.STOPPED, -losses[number], number

    return sorted((file for file in files if may_go(needed.get(file, []))), key=worth)
