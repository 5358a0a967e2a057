"""Mixed precision in lanes: what `torch.autocast` does to the arguments of a function, done before lanes take over.

Under torch.vmap autocast reaches some functions and not others. Which arguments it would cast is no table of ours:
torch is asked, once for each function and the types in its arguments, with zeros in the shapes of one lane.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, final

import torch
from torch import Tensor

from cotune.training.fused.escape import across, leaves, mapped, tensors

_Call = tuple[list[Any], dict[str, Any]]
_Types = list[torch.dtype]


@final
class Casts:
    """The casts of one device's autocast, wherever code is under it; the code may leave it by itself."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known: dict[Hashable, tuple[torch.dtype | None, _Types]] = {}
        self._weights: dict[int, tuple[Tensor, dict[torch.dtype, Tensor]]] = {}

    def begin(self, weights: Sequence[Tensor]) -> None:
        """Before a pass: each of these is cast once, as by autocast, so that the gradients of its uses add up alike."""
        self._weights = {id(weight): (weight, {}) for weight in weights}

    def apply(
        self, func: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any], stand_in: Callable[..., Any]
    ) -> Any:
        """What `stand_in(func, args, named)` returns, called with the types and returned in the types of autocast.

        Called inside `escape.per_lane`, with one lane's tensors.
        """
        kind, call = self._device.type, (list(args), dict(named))
        if not torch.is_autocast_enabled(kind) or not any(_can_be_cast(tensor.dtype) for tensor in tensors(call)):
            return stand_in(func, args, named)
        key = func, tuple(_types(call)), torch.get_autocast_dtype(kind)
        if key not in self._known:
            self._known[key] = across(lambda: self._asked(func, call), 1, ())
        to, types = self._known[key]
        if to is not None:
            call = mapped(lambda tensor: self._cast(tensor, to), call)
        with torch.autocast(kind, enabled=False):  # it must not reach what a stand-in is made of
            return _returned(stand_in(func, *call), types)

    def _cast(self, tensor: Tensor, to: torch.dtype) -> Tensor:
        if not _can_be_cast(tensor.dtype):
            return tensor
        weight, casts = self._weights.get(id(tensor), (None, {}))
        if weight is not tensor:
            return tensor.to(to)
        if to not in casts:
            casts[to] = tensor.to(to)
        return casts[to]

    def _asked(self, func: Callable[..., Any], call: _Call) -> tuple[torch.dtype | None, _Types]:
        """To what autocast casts, None if to nothing; and the types that `func` returns under it."""
        mixed, plain = (self._results(func, call, is_mixed=is_mixed) for is_mixed in (True, False))
        return None if mixed == plain else next(filter(_can_be_cast, mixed), None), mixed

    def _results(self, func: Callable[..., Any], call: _Call, *, is_mixed: bool) -> _Types:
        """The types of what `func` makes of zeros; none if it raises, as a product of two types does by itself."""
        kind, dtype = self._device.type, torch.get_autocast_dtype(self._device.type)
        forked = torch.random.fork_rng([self._device] if kind == "cuda" else [])
        with torch.no_grad(), torch.autocast(kind, dtype, enabled=is_mixed), forked, suppress(Exception):
            zeros = mapped(lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype, device=self._device), call)
            return [tensor.dtype.to_real() for tensor in tensors(func(*zeros[0], **zeros[1]))]
        return []


def _returned(result: Any, types: _Types) -> Any:
    """The results in these types: vmap's rules compute some in longer ones."""
    own = [tensor.dtype for tensor in tensors(result)]
    if len(own) != len(types) or all(a == b or not _can_be_cast(a) for a, b in zip(own, types, strict=True)):
        return result
    left = iter(types)

    def typed(tensor: Tensor) -> Tensor:
        to = next(left)
        return tensor.to(to) if _can_be_cast(tensor.dtype) else tensor

    return mapped(typed, result)


def _can_be_cast(dtype: torch.dtype) -> bool:
    """Autocast leaves double precision alone."""
    return dtype.is_floating_point and dtype != torch.float64


def _types(values: Any) -> Iterator[Any]:
    """Of tensors and numbers, and what is asked for by name."""
    for leaf in leaves(values):
        if isinstance(leaf, Tensor):
            yield leaf.dtype
        else:
            yield leaf if isinstance(leaf, torch.dtype | str | type) else type(leaf)
