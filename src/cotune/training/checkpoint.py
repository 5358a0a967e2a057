"""Training state as bytes, and bytes as files: safetensors with a JSON skeleton, never pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from cotune.errors import FormatError, StorageError, TaskError

_FORMAT = 1
_NUMPYS = frozenset({
    torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool,
})  # fmt: skip


def encode(state: object) -> bytes:
    """`state` as bytes: dicts (keys str or int), lists, tuples, tensors, NumPy arrays and scalars, numbers, strings,
    bool and None, nested in any way. Numbers come back exactly, NaN and infinities included; a tensor comes back on the
    CPU with memory of its own. TaskError names the place of anything else.
    """
    tensors: list[Tensor] = []
    skeleton = _fold(state, "state", tensors)
    header = json.dumps({"format": _FORMAT, "state": skeleton}, separators=(",", ":"))
    named = {str(i): tensor for i, tensor in enumerate(tensors)}
    if all(tensor.dtype in _NUMPYS for tensor in tensors):  # the same bytes at a quarter of the time
        return safetensors.numpy.save({name: tensor.numpy() for name, tensor in named.items()}, {"cotune": header})
    return safetensors.torch.save(named, {"cotune": header})


def decode(data: bytes) -> Any:
    """The state that `encode` was given. StorageError for damaged bytes, FormatError for those of a newer cotune."""
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["cotune"])
    except (SafetensorError, ValueError, KeyError) as error:
        raise StorageError(f"these {len(data)} bytes are not a cotune checkpoint ({error})") from error
    if header["format"] > _FORMAT:
        raise FormatError(f"this checkpoint has format {header['format']}, this cotune reads {_FORMAT}; update cotune.")
    return _unfold(header["state"], tensors)


def _fold(value: Any, place: str, tensors: list[Tensor]) -> Any:
    """`value` with every container tagged and every tensor moved to `tensors`."""
    match value:
        case Tensor():
            return {"tensor": _stored(value, place, tensors)}
        case np.generic() | np.ndarray():
            tag = "scalar" if isinstance(value, np.generic) else "array"
            return {tag: _stored(_from_numpy(np.asarray(value), place), place, tensors)}
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {"dict": [[_key(k, place), _fold(v, f"{place}[{k!r}]", tensors)] for k, v in value.items()]}
        case list() | tuple():
            folded = [_fold(item, f"{place}[{i}]", tensors) for i, item in enumerate(value)]
            return {"list" if isinstance(value, list) else "tuple": folded}
    raise TaskError(
        f"{place} is a {type(value).__name__}, which a checkpoint cannot hold; use tensors and plain values."
    )


def _unfold(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    match tag:
        case "tensor":
            return tensors[str(content)]
        case "array":
            return tensors[str(content)].numpy()
        case "scalar":
            return tensors[str(content)].numpy()[()]
        case "dict":
            return {key: _unfold(item, tensors) for key, item in content}
        case "tuple":
            return tuple(_unfold(item, tensors) for item in content)
    return [_unfold(item, tensors) for item in content]


def _key(key: object, place: str) -> str | int:
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return key
    raise TaskError(f"{place} has the key {key!r} of type {type(key).__name__}; a checkpoint holds str and int keys.")


def _from_numpy(array: np.ndarray[Any, Any], place: str) -> Tensor:
    try:
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError as error:
        raise TaskError(f"{place} is a NumPy array of dtype {array.dtype}, which a checkpoint cannot hold.") from error


def _stored(tensor: Tensor, place: str, tensors: list[Tensor]) -> int:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype == torch.complex128:
        raise TaskError(f"{place} is a {tensor.layout} tensor of {tensor.dtype}; a checkpoint holds plain dense ones.")
    tensors.append(tensor.detach().cpu().clone(memory_format=torch.contiguous_format))
    return len(tensors) - 1


def state_of(thing: Any) -> Any:
    """What `restore` needs: of a torch or NumPy generator, or of anything with `state_dict()`."""
    if isinstance(thing, torch.Generator):
        return thing.get_state()
    if isinstance(thing, np.random.Generator):
        return thing.bit_generator.state
    return thing.state_dict()


def restore(thing: Any, state: Any) -> None:
    """Puts `thing` back into a state taken by `state_of`."""
    if isinstance(thing, torch.Generator):
        thing.set_state(state)
    elif isinstance(thing, np.random.Generator):
        thing.bit_generator.state = state
    else:
        thing.load_state_dict(state)


@dataclass(frozen=True, slots=True)
class Part:
    """Where in a file some data stands, and what proves that it is whole."""

    offset: int
    length: int
    sha256: str


def write(path: Path, data: bytes) -> str:
    """Writes `data` to `path` durably and all at once; returns its sha256.

    A reader sees the old file or the new one, never a part. StorageError if it cannot be written.
    """
    return write_parts(path, [data])[0].sha256


def write_parts(path: Path, parts: Iterable[bytes]) -> list[Part]:
    """The same for data that comes in parts, one behind the other: where each of them is."""
    placed, offset = list[Part](), 0
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for data in parts:
                    file.write(data)
                    placed.append(Part(offset, len(data), hashlib.sha256(data).hexdigest()))
                    offset += len(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error}. Check the folder, its permissions and free space."
        ) from error
    return placed


def read(path: Path, sha256: str, *, offset: int = 0, length: int = -1) -> bytes:
    """The bytes at `path`, or a part of them. StorageError if they are missing, or their sha256 is another one."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except OSError as error:
        raise StorageError(f"cannot read the checkpoint {path}: {error}.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise StorageError(f"the checkpoint {path} is damaged: its sha256 is {found}, recorded was {sha256}.")
    return data


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
