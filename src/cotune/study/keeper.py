"""Which checkpoints stay: those that can still be needed, and of the rest as many of the best as the quota allows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cotune.executors.equipment import CheckpointStore
from cotune.executors.snapshot import Stamp, file_of
from cotune.records import History, State

QUOTA_BYTES = 2 * 2**30
_EVERY, _SHARE = 256, 4


class Keeper:
    """Drops checkpoints that nobody needs any more.

    Kept always: the last state of every trial that is running or waiting, what a fork begins from, and the best.
    Dropped at once: what a later state of the same trial replaced, and states of failed trials. Dropped beyond the
    quota: those of trials that were stopped, then of finished ones, then of paused ones, the worst first and of the
    paused those that came least far. A paused trial that goes on without its state begins again.
    """

    def __init__(self, checkpoints: CheckpointStore, quota_bytes: int = QUOTA_BYTES) -> None:
        self._checkpoints, self._quota_bytes = checkpoints, quota_bytes
        self._tidied_at = 0

    def watch(self, history: History) -> None:
        """Tidy once in a while: in a long study less often, because it looks at every trial."""
        if history.position >= self._tidied_at + max(_EVERY, len(history) // _SHARE):
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
    """Files of trials that are not on the front and do without, in the order in which they may go."""
    best, losses = set(history.front()), np.nan_to_num(history.y[:, 0])  # NaN: without a result
    order = {State.STOPPED: 0, State.DONE: 1, State.PAUSED: 2}

    def may_go(number: int) -> bool:
        does_without = history.state(number) is not State.PAUSED or history.parent(number) is None
        return number not in best and history.state(number) in order and does_without

    def worth(file: str) -> tuple[int, int, float, int]:
        number = needed[file][0]
        state = history.state(number)
        return order[state], history.step(number) if state is State.PAUSED else 0, -losses[number], number

    return sorted((file for file in files if needed.get(file) and all(map(may_go, needed[file]))), key=worth)
