"""Which checkpoints stay: those that can still be needed, and of the rest as many of the best as the quota allows."""

from __future__ import annotations

from cotune.executors.equipment import Checkpoints
from cotune.records import History, State

QUOTA_BYTES = 2 * 2**30
_EVERY = 64


class Keeper:
    """Drops checkpoints that nobody needs any more.

    Kept always: the last state of every trial without an outcome, and of the best. Dropped at once: what a later
    state of the same trial replaced, and states of failed trials. Dropped beyond the quota: finished trials, the
    worst first.
    """

    def __init__(self, checkpoints: Checkpoints, quota_bytes: int = QUOTA_BYTES) -> None:
        self._checkpoints, self._quota_bytes = checkpoints, quota_bytes
        self._n_tidied = 0

    def watch(self, history: History) -> None:
        """Tidy once in a while."""
        if len(history) >= self._n_tidied + _EVERY:
            self.tidy(history)

    def tidy(self, history: History) -> None:
        """Drop what nobody needs, as the history stands now."""
        self._n_tidied = len(history)
        sizes = self._checkpoints.sizes()
        for file in [file for file in sizes if not _is_current(history, file)]:
            self._checkpoints.remove(file)
            del sizes[file]
        total = sum(sizes.values())
        for file in _worst_first(history, sizes):
            if total <= self._quota_bytes:
                return
            total -= self._checkpoints.remove(file)


def _number(file: str) -> int:
    return int(file.split("-")[0])


def _is_current(history: History, file: str) -> bool:
    """Whether the state may still be needed; one of a lease that the history does not know yet is being written."""
    number, epoch = (int(part) for part in file.split("-")[:2])
    if number >= len(history) or epoch > history.epoch(number):
        return True
    if history.state(number) is State.RUNNING and epoch == history.epoch(number):
        return True
    if history.state(number) is State.FAILED:
        return False
    checkpoint = history.checkpoint(number)
    return checkpoint is not None and checkpoint.file == file


def _worst_first(history: History, sizes: dict[str, int]) -> list[str]:
    """Files of finished trials that are not on the front, worst first."""
    best = set(history.front())
    done = [file for file in sizes if _number(file) < len(history) and history.state(_number(file)) is State.DONE]
    losses = history.y[:, 0]
    return sorted((file for file in done if _number(file) not in best), key=lambda f: (-losses[_number(f)], _number(f)))
