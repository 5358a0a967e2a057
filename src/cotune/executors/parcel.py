"""An object for several processes of this machine, whose arrays and tensors they share instead of copying."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
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
        packer = _Packer(stream, buffers.append)
        try:
            packer.dump(thing)
        finally:
            packer.forget()
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
        self._contents: dict[tuple[int, int], _Content] = {}  # by address and length
        self._judged: dict[str, bool] = {}  # modules: whether they go by value

    def forget(self) -> None:
        """Leave cloudpickle as it was."""
        for name, goes_by_value in self._judged.items():
            if goes_by_value:
                cloudpickle.unregister_pickle_by_value(sys.modules[name])

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, FunctionType | type):
            self._judge(thing.__module__)
        if type(thing) is not Tensor or not _is_plain(thing):
            return super().reducer_override(thing)
        storage = thing.untyped_storage()
        content = self._contents.setdefault((storage.data_ptr(), storage.nbytes()), _Content(storage))
        return _tensor, (content, thing.dtype, thing.storage_offset(), tuple(thing.shape), thing.stride())

    def _judge(self, name: str) -> None:
        """Send what a module defines by value if no other process could import it."""
        if name not in self._judged and name in sys.modules:
            known = cloudpickle.list_registry_pickle_by_value()
            self._judged[name] = name not in ("__main__", *known) and not _can_be_imported(name)
            if self._judged[name]:
                cloudpickle.register_pickle_by_value(sys.modules[name])


class _Content:
    """The bytes of a storage, as pickle knows them."""

    def __init__(self, storage: UntypedStorage) -> None:
        self._bytes: Any = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _storage, (pickle.PickleBuffer(self._bytes),)


def _can_be_imported(name: str) -> bool:
    """Whether a module of that name, found anew, would be the one that is loaded."""
    spec = getattr(sys.modules[name], "__spec__", None)
    if spec is None or not spec.has_location:
        return spec is not None  # built in
    path = getattr(sys.modules.get(name.rpartition(".")[0]), "__path__", None)
    anew = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((found.origin == spec.origin for found in anew if found is not None), False)


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
