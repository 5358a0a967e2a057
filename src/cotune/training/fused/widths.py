"""Networks of different width as lanes of one pass, filled up with zeros to a common width.

A unit that is filled up has zeros for weights. Where its activation of zero is zero (ReLU, tanh, GELU, batch norm) it
gives nothing on and gets no gradient, so it stays what it is; `zeros` follows whether that holds through the code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from cotune.training.fused.zeros import LEAST
from cotune.training.loop import Run

Dims = tuple[int | None, ...]
"""What each dimension of a tensor is filled up to; None where it stays what it is."""
Place = tuple[str, str]
"""An attribute of a module's part: the submodule's name, and its own."""

_STEP = 4
"""A width is at most so many times filled up: fewer populations for more zeros, where a pass costs more than zeros."""
_NARROW, _NARROW_KERNEL = 64, 8
"""Narrower than this nothing is gained by being narrow: matrices, and networks with convolutions."""


@dataclass(frozen=True, slots=True)
class Padding:
    """How a run's tensors are filled up. dims: of parameters and buffers by name, where one dimension is.

    places: where modules keep a width.
    """

    dims: tuple[tuple[str, Dims], ...]
    places: tuple[Place, ...]


NO_PADDING = Padding((), ())


@dataclass(frozen=True, slots=True)
class _Differing:
    """What differs between networks of one structure. tops: (tensor, dimension) -> the largest size.

    places: of whole numbers that modules keep as attributes.
    """

    tops: Mapping[tuple[str, int], int]
    places: Sequence[Place]


@final
@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the networks of a space come to be, for each structure that a network has there."""

    differing: Mapping[Hashable, _Differing]

    @classmethod
    def of(cls, models: Iterable[nn.Module]) -> Widths:
        """By examples, the largest ones among them."""
        sizes = defaultdict[Hashable, defaultdict[tuple[str, int], set[int]]](lambda: defaultdict(set))
        numbers = defaultdict[Hashable, defaultdict[Place, set[int]]](lambda: defaultdict(set))
        for model in models:
            key = structure(model)
            for name, tensor in _tensors(model):
                for at, size in enumerate(tensor.shape):
                    sizes[key][name, at].add(size)
            for place, number in _numbers(model):
                numbers[key][place].add(number)
        return cls(
            {
                key: _Differing(
                    {place: max(own) for place, own in found.items() if len(own) > 1},
                    [place for place, own in numbers[key].items() if len(own) > 1],
                )
                for key, found in sizes.items()
            }
        )

    def padding(self, run: Run) -> Padding | None:
        """How the run's tensors are filled up; None if nothing differs, or the run is larger than any example."""
        differing = self.differing.get(structure(run.model))
        if differing is None or not differing.tops:
            return None
        tensors = dict(_tensors(run.model))
        if any(tensors[name].shape[at] > top for (name, at), top in differing.tops.items()):
            return None
        if any(group.get("eps", 1.0) < LEAST for group in run.optimizer.param_groups):
            return None  # what is filled up would become 0 / 0
        narrow = _NARROW if all(tensor.dim() <= 2 for tensor in tensors.values()) else _NARROW_KERNEL
        scale = _scale([(tensors[name].shape[at], top) for (name, at), top in differing.tops.items()], narrow)
        dims: dict[str, list[int | None]] = {name: [None] * tensors[name].dim() for name, _ in differing.tops}
        for (name, at), top in differing.tops.items():
            dims[name][at] = top // scale
        widths, numbers = {tensors[name].shape[at] for name, at in differing.tops}, dict(_numbers(run.model))
        places = tuple(place for place in differing.places if numbers.get(place) in widths)
        return Padding(tuple((name, tuple(own)) for name, own in dims.items()), places)


def filled(shape: Sequence[int], dims: Dims) -> tuple[int, ...]:
    """A shape filled up."""
    return tuple(own if to is None else to for own, to in zip(shape, dims, strict=True))


def corner(shape: Sequence[int]) -> tuple[slice, ...]:
    """Where in a tensor that was filled up its own numbers are."""
    return tuple(slice(size) for size in shape)


def structure(model: nn.Module) -> Hashable:
    """What networks have in common that differ in their widths only."""
    modules = tuple((name, type(part).__qualname__) for name, part in model.named_modules())
    kernels = tuple(
        (name, tensor.dim(), tuple(tensor.shape[2:]), str(tensor.dtype)) for name, tensor in _tensors(model)
    )
    return modules, kernels


def n_numbers(model: nn.Module) -> int:
    """How many numbers its tensors hold."""
    return sum(tensor.numel() for _, tensor in _tensors(model))


def _scale(sizes: Sequence[tuple[int, int]], narrow: int) -> int:
    """The largest of 1, 4, 16, ... by which a network can be smaller than the largest one; sizes: its own, and that.

    One for all its widths, because one often follows from another, and only as small as is worth it.
    """
    scale, widest = 1, max(top for _, top in sizes)
    while widest // (scale * _STEP) >= narrow and all(
        top % (scale * _STEP) == 0 and size <= top // (scale * _STEP) for size, top in sizes
    ):
        scale *= _STEP
    return scale


def _tensors(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _numbers(model: nn.Module) -> Iterable[tuple[Place, int]]:
    """The whole numbers that modules keep as attributes."""
    for name, part in model.named_modules():
        for key, value in vars(part).items():
            if type(value) is int:
                yield (name, key), value
