"""Where the states of trials are kept, so that they can continue and their models be handed back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cotune.errors import StorageError
from cotune.executors.snapshot import Snapshot
from cotune.records import Checkpoint
from cotune.training import checkpoint as codec

_ALONE, _TOGETHER = ".safetensors", ".population"


class FolderCheckpoints:
    """States as files in a folder. Each file is whole or absent: written aside, synced, then renamed.

    A state of several that were saved together is `file@offset+length`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, state: Snapshot) -> Checkpoint:
        """Write the state durably, in a file of its own, and say where it is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = f"{state.stamp}{_ALONE}"
        return Checkpoint(state.stamp.step, file, codec.write(self._folder / file, codec.encode(state.content)))

    def save_together(self, states: Sequence[Snapshot]) -> list[Checkpoint]:
        """Write the states durably, all in one file, and say where each is."""
        if len(states) < 2:
            return [self.save(state) for state in states]
        self._folder.mkdir(parents=True, exist_ok=True)
        file = f"{states[0].stamp}{_TOGETHER}"
        parts = codec.write_parts(self._folder / file, (codec.encode(state.content) for state in states))
        return [
            Checkpoint(state.stamp.step, f"{file}@{part.offset}+{part.length}", part.sha256)
            for state, part in zip(states, parts, strict=True)
        ]

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was saved. Raises StorageError if it is missing or damaged."""
        file, _, place = checkpoint.file.partition("@")
        offset, _, length = place.partition("+")
        part = {"offset": int(offset), "length": int(length)} if place else {}
        return codec.decode(codec.read(self._folder / file, checkpoint.sha256, **part))

    def remove(self, file: str) -> int:
        """Drop a file that no one needs any more; returns the bytes freed."""
        path = self._folder / file
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size

    def sizes(self) -> dict[str, int]:
        """Bytes of every file that is kept."""
        return {path.name: path.stat().st_size for path in self._folder.glob("*") if path.suffix in (_ALONE, _TOGETHER)}


class MemoryCheckpoints:
    """States of a study without a folder, as bytes."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}

    def save(self, state: Snapshot) -> Checkpoint:
        """Keep the state and say under which name."""
        file, data = f"{state.stamp}{_ALONE}", codec.encode(state.content)
        self._states[file] = data
        return Checkpoint(state.stamp.step, file, hashlib.sha256(data).hexdigest())

    def save_together(self, states: Sequence[Snapshot]) -> list[Checkpoint]:
        """Keep each of the states."""
        return [self.save(state) for state in states]

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was saved. Raises StorageError if it was dropped."""
        if checkpoint.file not in self._states:
            raise StorageError(f"the checkpoint {checkpoint.file} is gone; this trial can only be trained again")
        return codec.decode(self._states[checkpoint.file])

    def remove(self, file: str) -> int:
        """Drop a state that no one needs any more; returns the bytes freed."""
        return len(self._states.pop(file, b""))

    def sizes(self) -> dict[str, int]:
        """Bytes of every state that is kept, by name."""
        return {file: len(data) for file, data in self._states.items()}
