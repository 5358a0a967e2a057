"""The forms of data that a Task takes, and the batches made from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from cotune.errors import TaskError

_TARGET_NAMES = ("target", "label", "labels", "y")
_EVALUATION_ELEMENTS = 2**20
_EVALUATION_SAMPLES = 512


class Batch(NamedTuple):
    """Some samples: the model is called as `model(*inputs, **named)`; every tensor has the samples first."""

    inputs: tuple[Any, ...]
    named: dict[str, Any]
    target: Any

    @property
    def plain(self) -> tuple[Any, ...] | dict[str, Any]:
        """As a user writes it: `(x, ..., target)`, or the named inputs with the target under "target"."""
        return {**self.named, "target": self.target} if self.named else (*self.inputs, self.target)

    @property
    def n(self) -> int:
        """How many samples."""
        return len(self.target)


class Samples(Protocol):
    """A set of samples that can be read in any order."""

    @property
    def labels(self) -> Tensor | None:
        """Integer classes (n,) on the CPU where they are known without reading every sample."""
        ...

    def __len__(self) -> int: ...
    def to(self, device: torch.device) -> Samples:
        """The same samples, whose batches are on `device`."""
        ...

    def batches(self, rows: Tensor, size: int, draw: torch.Generator) -> Iterator[Batch]:
        """The samples `rows` in that order, `size` at a time. draw: seeds the data workers, where there are any."""
        ...

    def evaluation_size(self, size: int) -> int:
        """How many samples to evaluate at a time when training takes `size`."""
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """Samples held as tensors; a batch is one gather per tensor."""

    inputs: tuple[Tensor, ...]
    named: dict[str, Tensor]
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    @property
    def labels(self) -> Tensor | None:
        """The target where it holds one integer class per sample."""
        return self.target.cpu() if self.target.ndim == 1 and not self.target.is_floating_point() else None

    def to(self, device: torch.device) -> InMemory:
        """The same samples with every tensor on `device`; no copy where they are there already."""
        named = {name: tensor.to(device) for name, tensor in self.named.items()}
        return InMemory(tuple(tensor.to(device) for tensor in self.inputs), named, self.target.to(device))

    def batches(self, rows: Tensor, size: int, draw: torch.Generator) -> Iterator[Batch]:
        """The samples `rows` in that order, `size` at a time."""
        for chunk in rows.to(self.target.device).split(size):
            yield Batch(
                tuple([tensor.index_select(0, chunk) for tensor in self.inputs]),
                {name: tensor.index_select(0, chunk) for name, tensor in self.named.items()},
                self.target.index_select(0, chunk),
            )

    def evaluation_size(self, size: int) -> int:
        """Large batches, as long as one stays within about a million numbers, and many lanes' within memory."""
        widest = max(tensor[0].numel() for tensor in (*self.inputs, *self.named.values()))
        return max(size, min(_EVALUATION_SAMPLES, _EVALUATION_ELEMENTS // max(widest, 1)))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Samples of a torch Dataset, read through a DataLoader."""

    dataset: Dataset[Any]
    n: int
    workers: int
    device: torch.device = torch.device("cpu")

    def __len__(self) -> int:
        return self.n

    @property
    def labels(self) -> Tensor | None:
        """The dataset's own `targets`, as torchvision's datasets have them."""
        targets = getattr(self.dataset, "targets", None)
        if not isinstance(targets, (list, np.ndarray, Tensor)) or len(targets) != self.n:
            return None
        labels = torch.as_tensor(targets)
        return labels.cpu().long() if labels.ndim == 1 and not labels.is_floating_point() else None

    def to(self, device: torch.device) -> Stream:
        """The same samples, whose batches are moved to `device` one by one."""
        return replace(self, device=device)

    def batches(self, rows: Tensor, size: int, draw: torch.Generator) -> Iterator[Batch]:
        """The samples `rows` in that order, `size` at a time."""
        chosen = Subset(self.dataset, rows.tolist())
        for item in DataLoader(chosen, batch_size=size, num_workers=self.workers, generator=draw):
            yield _batch(item, self.device)

    def evaluation_size(self, size: int) -> int:
        """The training size: a stream's samples may be large."""
        return size


def samples(data: object, argument: str, workers: int) -> Samples:
    """`data` in one of the accepted forms as Samples.

    argument: the name used in errors. Accepted: (x, ..., y) of tensors or arrays, a mapping of names to them with the
    target under "target", "label", "labels" or "y", or a torch Dataset with a length. TaskError otherwise.
    """
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, Mapping):
        return _named(data, argument)
    if isinstance(data, (tuple, list)):
        return _unnamed(tuple(data), argument)
    if isinstance(data, Dataset):
        return _stream(data, argument, workers)
    raise TaskError(
        f"{argument}= takes (x, y) tensors or NumPy arrays, a dict of them or a torch Dataset, got {_kind(data)}. "
        f"Pass e.g. {argument}=(x, y); a table has .to_numpy()."
    )


def is_pair(data: object) -> bool:
    """Whether `data` is (train, validation) rather than (x, y)."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return False
    return all(isinstance(part, Dataset) for part in data) or all(isinstance(p, (tuple, list, Mapping)) for p in data)


def _stream(data: Dataset[Any], argument: str, workers: int) -> Stream:
    if isinstance(data, IterableDataset) or not isinstance(data, Sized):
        raise TaskError(f"{argument}= needs a Dataset with a length and items by index, got {_kind(data)}.")
    if len(data) == 0:
        raise TaskError(f"{argument}= is an empty {_kind(data)}; give it at least one sample.")
    return Stream(data, len(data), workers)


def _unnamed(parts: tuple[Any, ...], argument: str) -> InMemory:
    if len(parts) < 2:
        raise TaskError(f"{argument}= needs inputs and a target, got a tuple of {len(parts)}. Pass e.g. (x, y).")
    inputs = tuple(_features(part, f"{argument}[{i}]") for i, part in enumerate(parts[:-1]))
    return _checked(InMemory(inputs, {}, _target(parts[-1], f"{argument}[{len(parts) - 1}]")), argument)


def _named(parts: Mapping[Any, Any], argument: str) -> InMemory:
    name = _target_name(parts, argument)
    named = {str(key): _features(part, f"{argument}[{key!r}]") for key, part in parts.items() if key != name}
    if not named:
        raise TaskError(f"{argument}= has a target under {name!r} but no inputs; add them by the model's names.")
    return _checked(InMemory((), named, _target(parts[name], f"{argument}[{name!r}]")), argument)


def _target_name(parts: Mapping[Any, Any], argument: str) -> str:
    for name in _TARGET_NAMES:
        if name in parts:
            return name
    names = ", ".join(map(repr, parts)) or "nothing"
    raise TaskError(f"{argument}= is a dict without a target, it has {names}. Put the target under 'target'.")


def _checked(data: InMemory, argument: str) -> InMemory:
    lengths = [len(tensor) for tensor in (*data.inputs, *data.named.values(), data.target)]
    if len(set(lengths)) > 1:
        raise TaskError(f"{argument}= has inputs and a target of unequal lengths: {lengths}. Make them the same.")
    if lengths[0] == 0:
        raise TaskError(f"{argument}= is empty (length 0); give it at least one sample.")
    return data


def _features(part: object, where: str) -> Tensor:
    tensor = _tensor(part, where)
    return tensor.long() if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64) else tensor


def _target(part: object, where: str) -> Tensor:
    tensor = _tensor(part, where)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.long()


def _tensor(part: object, where: str) -> Tensor:
    if isinstance(part, np.ndarray):
        part = _from_numpy(part, where)
    if not isinstance(part, Tensor):
        raise TaskError(f"{where} must be a tensor or a NumPy array, got {_kind(part)}. Use torch.as_tensor(...).")
    if part.ndim == 0:
        raise TaskError(f"{where} is a single number; its first dimension must count the samples.")
    part = part.detach()
    bad = part.numel() - int(torch.isfinite(part).sum()) if part.is_floating_point() else 0
    if bad:
        raise TaskError(f"{where} has {bad} NaN or infinite values of {part.numel()}. Fill or remove them first.")
    return part


def _from_numpy(array: np.ndarray[Any, Any], where: str) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise TaskError(f"{where} is an array of dtype {array.dtype}; it must hold numbers. Encode it first.")
    if array.dtype.kind == "f" and array.dtype != np.float16:
        array = array.astype(np.float32)
    return torch.from_numpy(np.array(array, order="C"))


def _batch(item: object, device: torch.device) -> Batch:
    """What a DataLoader yields as a Batch on `device`."""
    if isinstance(item, Mapping):
        name = _target_name(item, "data")
        named = {str(key): _moved(value, device) for key, value in item.items() if key != name}
        return Batch((), named, _moved(item[name], device))
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        *inputs, target = (_moved(value, device) for value in item)
        return Batch(tuple(inputs), {}, target)
    raise TaskError(f"the Dataset's items must be (x, ..., target) or a dict with a target, got {_kind(item)}.")


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}".removeprefix("builtins.")
