"""Running a model's ordinary code for all lanes in one pass.

Under `torch.vmap` the code sees the tensors of one lane. `Lanewise` is told of every torch function that it calls, and
does some of them itself on all lanes at once: those that torch.vmap has no rule for, those that draw random numbers,
those that take a number where lanes differ, and a few that are faster so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any, Never, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cotune.training.fused import zeros
from cotune.training.fused.escape import across, depth, is_of_lanes
from cotune.training.fused.lanes import Lanes
from cotune.training.fused.operations import OPERATIONS, RECURRENT
from cotune.training.fused.precision import Casts
from cotune.training.fused.refusal import Unfusable


@final
class Lanewise(TorchFunctionMode):
    """In force while the code of lanes runs under torch.vmap.

    follows_zeros: whether some tensors are filled up, and only what leaves them zero may be done to them. casts: of a
    model in mixed precision. refusal: of something else that was tried.
    """

    def __init__(self, lanes: Lanes, *, follows_zeros: bool, casts: Casts | None) -> None:
        super().__init__()
        self._lanes, self._follows_zeros, self._casts = lanes, follows_zeros, casts
        self.refusal: Unfusable | None = None
        self._depth = 0

    def begin(self, weights: Sequence[Tensor]) -> None:
        """In the lane, before its code runs. weights: of its model."""
        self._depth = depth()
        if self._casts is not None:
            self._casts.begin(weights)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if self._follows_zeros and depth() != self._depth:
            self._refuse(Unfusable("transforms functions of units whose number differs from lane to lane"))
        if not self._follows_zeros or not (zeros.is_near(args) or zeros.is_near(named.values())):
            return self._done(func, args, named)
        marks = self._judged(func, args, named)
        self._follows_zeros = False  # what it is made of was judged with it
        try:
            result = self._done(func, args, named)
        finally:
            self._follows_zeros = True
        if func in zeros.SHAPES:
            return zeros.described(func, args, result)
        if isinstance(result, Tensor):
            zeros.mark(result, marks)
        return result

    def _judged(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> zeros.Marks:
        try:
            return zeros.after(func, args, named)
        except Unfusable as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: Unfusable) -> Never:
        self.refusal = self.refusal or refusal  # the code may catch it and go on
        raise refusal

    def _done(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if self._casts is None or (func not in OPERATIONS and _can_be_opened(func)):
            return self._called(func, args, named)
        if func in RECURRENT:
            raise Unfusable("uses recurrent layers in mixed precision")
        return self._casts.apply(func, args, named, self._called)

    def _called(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        operation = OPERATIONS.get(func)
        if operation is not None:
            result = operation(self._lanes, *args, **named)
            if result is not NotImplemented:
                return result
        reason = _REFUSED.get(func)
        if reason is not None and args and is_of_lanes(args[0]):
            raise Unfusable(reason)
        if func is Tensor.__getitem__ and _has_mask(args[1]):
            raise Unfusable("selects by a boolean mask")
        if func in _MAKERS:
            made = func(*args, **named)
            return across(lambda made: made.clone(memory_format=torch.contiguous_format), len(self._lanes), (made,))
        if named.get("out") is not None and is_of_lanes(named["out"]):
            return named["out"].copy_(func(*args, **{name: v for name, v in named.items() if name != "out"}))
        if _can_be_opened(func):
            with self:
                return _opened(func)(*args, **named)
        return func(*args, **named)


def _can_be_opened(func: Any) -> bool:
    return isinstance(func, FunctionType) and func.__globals__ is vars(functional)


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8) for part in parts)


@cache
def _opened(function: FunctionType) -> FunctionType:
    """A function of torch.nn.functional that does not hand itself over to a mode, so that what it calls is seen."""
    closed = {
        name: _never for name in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
    }
    twin = FunctionType(
        function.__code__, {**function.__globals__, **closed}, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _never(*_: object) -> bool:
    return False


_MAKERS = frozenset({
    torch.zeros, torch.ones, torch.empty, torch.full, torch.zeros_like, torch.ones_like, torch.empty_like,
    torch.full_like, Tensor.new_zeros, Tensor.new_ones, Tensor.new_empty, Tensor.new_full,
})  # fmt: skip
"""What they make may be written to in place, so every lane needs one of its own."""

_REFUSED: dict[Any, str] = {
    Tensor.item: "calls .item()",
    Tensor.tolist: "calls .tolist()",
    Tensor.numpy: "calls .numpy()",
    Tensor.__bool__: "branches on a value",
    Tensor.__int__: "turns a value into a number",
    Tensor.__float__: "turns a value into a number",
    Tensor.__index__: "uses a value as an index",
    Tensor.nonzero: "calls nonzero, whose shape depends on values",
    torch.nonzero: "calls nonzero, whose shape depends on values",
    Tensor.unique: "calls unique, whose shape depends on values",
    Tensor.masked_select: "selects by a boolean mask",
    torch.masked_select: "selects by a boolean mask",
}
