"""An object for several processes of this machine, whose arrays and tensors they share instead of copying."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import cloudpickle
import torch
from torch import Tensor, UntypedStorage

_ALIGNED = 64


@dataclass(frozen=True, slots=True)
class Parcel:
    """An object in transport between live processes: never stored, and opened only by those that it was made for.

    descriptor: of an anonymous file, inherited under the same number, that is gone when the last process that has it
    ends. places: (offset, bytes) in it, first of the object without the contents of its arrays, then of each of them.
    """

    descriptor: int
    places: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, thing: Any) -> Self:
        """Raises what pickling raises for a part that cannot be sent, such as a lock or an open file."""
        buffers, stream = list[pickle.PickleBuffer](), io.BytesIO()
        _Packer(stream, buffers.append).dump(thing)
        descriptor, places, end = _anonymous(), list[tuple[int, int]](), 0
        for content in (stream.getbuffer(), *(buffer.raw() for buffer in buffers)):
            places.append((end, len(content)))
            _write(descriptor, content, end)
            end += -(-len(content) // _ALIGNED) * _ALIGNED
        return cls(descriptor, tuple(places))

    def opened(self) -> Any:
        """The object. Its arrays lie in memory that all processes share until one of them writes to it."""
        shared = memoryview(mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_COPY))
        content, *buffers = [shared[offset : offset + length] for offset, length in self.places]
        return pickle.loads(content, buffers=buffers)  # noqa: S301 - made by the process that started this one

    def close(self) -> None:
        """Give up this process's hold on the shared contents."""
        os.close(self.descriptor)


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles functions by value where they need it, and contents of tensors out of band, each storage once."""

    def __init__(self, stream: io.BytesIO, take: Callable[[pickle.PickleBuffer], Any]) -> None:
        super().__init__(stream, protocol=5, buffer_callback=take)
        self._contents: dict[int, _Content] = {}

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is not Tensor or not _is_plain(thing):
            return super().reducer_override(thing)
        storage = thing.untyped_storage()
        content = self._contents.setdefault(storage.data_ptr(), _Content(storage))
        return _tensor, (content, thing.dtype, thing.storage_offset(), tuple(thing.shape), thing.stride())


class _Content:
    """The bytes of a storage, as pickle knows them."""

    def __init__(self, storage: UntypedStorage) -> None:
        self._bytes: Any = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _storage, (pickle.PickleBuffer(self._bytes),)


def _is_plain(tensor: Tensor) -> bool:
    """Whether the tensor is nothing but numbers in the memory of the host."""
    is_dense = tensor.device.type == "cpu" and tensor.layout is torch.strided and not tensor.is_quantized
    return is_dense and not (tensor.requires_grad or tensor.is_conj() or tensor.is_neg() or tensor.__dict__)


def _storage(content: Any) -> UntypedStorage:
    view = memoryview(content)
    return torch.frombuffer(view, dtype=torch.uint8).untyped_storage() if len(view) else UntypedStorage(0)


def _tensor(
    storage: UntypedStorage, dtype: torch.dtype, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> Tensor:
    return torch.empty(0, dtype=dtype).set_(storage, offset, shape, stride)


def _anonymous() -> int:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("cotune")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(descriptor: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
