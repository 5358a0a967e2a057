"""Where the states of trials are kept, so that they can continue and their models be handed back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cotune.errors import StorageError
from cotune.records import Checkpoint
from cotune.training import checkpoint as codec


def _name(number: int, epoch: int, step: int) -> str:
    return f"{number:06d}-{epoch}-{step}.safetensors"


class FolderCheckpoints:
    """States as files in a folder. Each is whole or absent: written aside, synced, then renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, number: int, epoch: int, step: int, state: Any) -> Checkpoint:
        """Write the state durably and say where it is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = _name(number, epoch, step)
        return Checkpoint(step, file, codec.write(self._folder / file, codec.encode(state)))

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was saved. Raises StorageError if it is missing or damaged."""
        return codec.decode(codec.read(self._folder / checkpoint.file, checkpoint.sha256))

    def remove(self, file: str) -> int:
        """Drop a state that no one needs any more; returns the bytes freed."""
        path = self._folder / file
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size

    def sizes(self) -> dict[str, int]:
        """Bytes of every state that is kept, by file."""
        return {path.name: path.stat().st_size for path in self._folder.glob("*.safetensors")}


class MemoryCheckpoints:
    """States of a study without a folder, as bytes."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}

    def save(self, number: int, epoch: int, step: int, state: Any) -> Checkpoint:
        """Keep the state and say under which name."""
        file, data = _name(number, epoch, step), codec.encode(state)
        self._states[file] = data
        return Checkpoint(step, file, hashlib.sha256(data).hexdigest())

    def load(self, checkpoint: Checkpoint) -> Any:
        """The state that was saved. Raises StorageError if it was dropped."""
        if checkpoint.file not in self._states:
            raise StorageError(f"the checkpoint {checkpoint.file} is gone; this trial can only be trained again")
        return codec.decode(self._states[checkpoint.file])

    def remove(self, file: str) -> int:
        """Drop a state that no one needs any more; returns the bytes freed."""
        return len(self._states.pop(file, b""))

    def sizes(self) -> dict[str, int]:
        """Bytes of every state that is kept, by file."""
        return {file: len(data) for file, data in self._states.items()}
