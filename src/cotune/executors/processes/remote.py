"""Checkpoints of a study in memory, from another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotune.executors.equipment import Checkpoints
from cotune.executors.snapshot import Snapshot, Stamp
from cotune.records import Checkpoint
from cotune.training import checkpoint as codec


class RemoteCheckpoints:
    """Keeps states where `call` reaches; what answers there is `Kept`."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def save(self, state: Snapshot) -> Checkpoint:
        """Keep the state there."""
        kept: Checkpoint = self._call("save", state.stamp, codec.encode(state.content))
        return kept

    def save_together(self, states: Sequence[Snapshot]) -> list[Checkpoint]:
        """Keep each of the states there."""
        return [self.save(state) for state in states]

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was kept. Raises StorageError if it is gone."""
        return codec.decode(self._call("load", checkpoint))


class Kept:
    """The other end: states come and go as bytes, because tensors travel by other ways."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def save(self, stamp: Stamp, state: bytes) -> Checkpoint:
        """Keep a state that `RemoteCheckpoints` sent."""
        return self._checkpoints.save(Snapshot(stamp, codec.decode(state)))

    def load(self, checkpoint: Checkpoint) -> bytes:
        """A state on its way back."""
        return codec.encode(self._checkpoints.load(checkpoint))
