"""Where a tensor was filled up with zeros, followed through a model's code.

Lanes of different width are filled up to a common one. That changes nothing if what is filled up stays exactly zero
through every operation, and is multiplied by zero weights before it meets what is not filled up. Only operations of
which that is known are let near such a tensor; every other one is refused, whatever it would compute.

A filled-up tensor carries marks: dimension, as a lane sees it -> every lane's own size there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Never

import torch
from torch import Tensor
from torch.nn import functional

from cotune.training.fused.refusal import Unfusable

Sizes = tuple[int, ...]
Marks = Mapping[int, Sizes]
_ATTRIBUTE = "_cotune_filled_up"
LEAST = 1e-30
"""A smaller number is nearly zero in single precision."""


class WidthOfALane:
    """Stands for a width in the code that all lanes run, where each has its own: no code may look at it."""


def _refuse(*_: object) -> Never:
    raise TypeError("reads a width, which differs from lane to lane")


for _name in (
    "eq", "ne", "lt", "le", "gt", "ge", "bool", "index", "int", "float", "hash", "str", "repr", "format", "add", "radd",
    "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "neg",
    "len",
):  # fmt: skip
    setattr(WidthOfALane, f"__{_name}__", _refuse)


def mark(tensor: Tensor, marks: Marks) -> None:
    """From now on the tensor counts as filled up in these dimensions."""
    if marks:
        setattr(tensor, _ATTRIBUTE, marks)


def marks_of(value: object) -> Marks:
    """Where it is filled up; nowhere if it is no such tensor."""
    return getattr(value, _ATTRIBUTE, {}) if isinstance(value, Tensor) else {}


def is_near(values: Iterable[object]) -> bool:
    """Whether a filled-up tensor is among them, or in a container among them."""
    return any(
        is_near(value) if isinstance(value, list | tuple)
        else is_near(value.values()) if isinstance(value, dict)
        else bool(marks_of(value))
        for value in values
    )  # fmt: skip


def after(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Marks:
    """The marks of what the function returns. Raises Unfusable if it might make something of what is filled up."""
    rule = _RULES.get(func)
    if rule is None:
        raise Unfusable(f"calls {getattr(func, '__name__', func)} on units whose number differs from lane to lane")
    return rule(*args, **named)


def described(func: Any, args: Sequence[Any], result: Any) -> Any:
    """What a function says of a filled-up tensor's shape, with nothing told of a width."""
    marks = marks_of(args[0])
    if func is Tensor.size and len(args) > 1:
        if args[1] % args[0].dim() in marks:
            return WidthOfALane()
        return result
    return tuple(WidthOfALane() if at in marks else size for at, size in enumerate(result))


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise Unfusable(f"{what} units whose number differs from lane to lane")


def _same(input: Tensor, *_: Any, **__: Any) -> Marks:
    """Zero at zero, element by element, with a finite slope."""
    return marks_of(input)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Marks:
    out, by_bias = marks_of(weight).get(0), marks_of(bias).get(0)
    return _contracted(input, marks_of(weight).get(1), out, by_bias if bias is not None else out)


def _matmul(input: Tensor, other: Tensor) -> Marks:
    _need(input.dim() >= 2 and other.dim() == 2, "multiplies")
    return _contracted(input, marks_of(other).get(0), marks_of(other).get(1), marks_of(other).get(1))


def _contracted(input: Tensor, inner: Sizes | None, out: Sizes | None, bias: Sizes | None) -> Marks:
    own, last = dict(marks_of(input)), input.dim() - 1
    _need(own.pop(last, None) == inner and not own and bias == out, "mixes")
    return {} if out is None else {last: out}


def _convolved(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Marks:  # fmt: skip
    own, inner = dict(marks_of(input)), dict(marks_of(weight))
    out, channels = inner.pop(0, None), input.dim() - weight.dim() + 1
    fits = own.pop(channels, None) == inner.pop(1, None) and not own and not inner
    _need(fits and groups == 1 and (bias is None or marks_of(bias).get(0) == out), "convolves")
    return {} if out is None else {channels: out}


def _batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: Any = 0.1, eps: Any = 1e-5,
) -> Marks:  # fmt: skip
    own = marks_of(input)
    others = [part for part in (running_mean, running_var, weight, bias) if part is not None]
    fits = all(marks_of(part).get(0) == own.get(1) for part in others) and set(own) == {1}
    _need(fits and not isinstance(eps, Tensor) and eps >= LEAST, "normalises")
    return own


def _prelu(input: Tensor, weight: Tensor) -> Marks:
    _need(weight.numel() == 1 or marks_of(weight).get(0) == marks_of(input).get(1), "scales")
    return marks_of(input)


def _embedding(rows: Tensor, weight: Tensor, *_: Any, **__: Any) -> Marks:
    _need(not marks_of(rows) and set(marks_of(weight)) == {1}, "looks up")
    return {rows.dim(): marks_of(weight)[1]}


def _sum(input: Any, other: Any, *, alpha: Any = 1) -> Marks:
    own = _aligned(input, other)
    _need(own is not None and not isinstance(alpha, Tensor), "adds to")
    return own or {}


def _product(input: Any, other: Any) -> Marks:
    """What is filled up in one factor is zero in the product."""
    if not isinstance(other, Tensor) or not isinstance(input, Tensor):
        number = other if isinstance(input, Tensor) else input
        _need(isinstance(number, int | float) and math.isfinite(number), "multiplies")
        return marks_of(input) or marks_of(other)
    both = _aligned(input, other)
    if both is not None:
        return both
    plain, own = (input, marks_of(other)) if marks_of(other) else (other, marks_of(input))
    like = other if plain is input else input
    _need(
        not marks_of(plain) and plain.dim() <= like.dim() and all(_spreads(plain, like, at) for at in own), "multiplies"
    )
    return own


def _quotient(input: Any, other: Any, **named: Any) -> Marks:
    _need(isinstance(input, Tensor) and isinstance(other, int | float) and other != 0 and not named, "divides")
    return marks_of(input)


def _aligned(input: Any, other: Any) -> Marks | None:
    """The marks of what two tensors give together, if the same of both is filled up."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        return None
    dims = max(input.dim(), other.dim())
    ours, theirs = ({at + dims - one.dim(): s for at, s in marks_of(one).items()} for one in (input, other))
    return ours if ours == theirs else None


def _spreads(plain: Tensor, like: Tensor, at: int) -> bool:
    """Whether it has a single number along a dimension of the other, so that it is the same for all units."""
    place = at - (like.dim() - plain.dim())
    return place < 0 or plain.shape[place] == 1


def _pooled(n_dims: int) -> Callable[..., Marks]:
    """Over the last dimensions, of which none is filled up."""

    def rule(input: Tensor, *_: Any, return_indices: bool = False, **__: Any) -> Marks:
        _need(set(marks_of(input)) == {1} and input.dim() == n_dims + 2 and not return_indices, "pools")
        return marks_of(input)

    return rule


def _flat(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Marks:
    """Where the first of the dimensions is filled up, so is the end of them all."""
    start, end = start_dim % input.dim(), end_dim % input.dim()
    own = dict(marks_of(input))
    first = own.pop(start, None)
    _need(start > 0 and first is not None and not own, "flattens")
    each = math.prod(input.shape[start + 1 : end + 1])
    return {start: tuple(size * each for size in first or ())}


def _viewed(input: Tensor, *shape: Any) -> Marks:
    """As (samples, all the rest)."""
    wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    _need(wanted in ((input.shape[0], -1), (-1, math.prod(input.shape[1:]))) and input.dim() > 1, "reshapes")
    return _flat(input, 1)


def _reduced(input: Tensor, dim: Any = None, keepdim: bool = False, **named: Any) -> Marks:
    """Over dimensions that are not filled up."""
    dims = {at % input.dim() for at in ((dim,) if isinstance(dim, int) else dim or ())}
    own = marks_of(input)
    _need(bool(dims) and not dims & set(own) and not named, "sums over")
    return {at - (0 if keepdim else sum(low < at for low in dims)): sizes for at, sizes in own.items()}


def _fact(*_: Any, **__: Any) -> Marks:
    return {}


def _methods(*names: str) -> Iterator[Any]:
    for name in names:
        for owner in (torch, Tensor, functional):
            found = getattr(owner, name, None)
            if found is not None:
                yield found


def _getter(name: str) -> Any:
    """What reads an attribute of a tensor, as a TorchFunctionMode is told of it."""
    return getattr(Tensor, name).__get__


SHAPES = frozenset({Tensor.size, _getter("shape")})
"""Functions that tell sizes; see `described`."""
_RULES: dict[Any, Callable[..., Marks]] = {
    **dict.fromkeys(
        _methods(
            "relu", "relu_", "relu6", "tanh", "tanh_", "gelu", "silu", "leaky_relu", "leaky_relu_", "elu", "elu_",
            "selu", "celu", "mish", "hardswish", "softsign", "dropout", "dropout1d", "dropout2d", "dropout3d", "neg",
            "contiguous",
        ),
        _same,
    ),
    **dict.fromkeys(_methods("add", "add_", "__add__", "__iadd__", "sub", "__sub__"), _sum),
    **dict.fromkeys(_methods("mul", "mul_", "__mul__", "__imul__", "__rmul__"), _product),
    **dict.fromkeys(_methods("div", "__truediv__", "true_divide"), _quotient),
    **dict.fromkeys(_methods("matmul", "__matmul__", "mm"), _matmul),
    **dict.fromkeys(_methods("flatten"), _flat),
    **dict.fromkeys(_methods("view", "reshape"), _viewed),
    **dict.fromkeys(_methods("mean", "sum"), _reduced),
    **dict.fromkeys(_methods("conv1d", "conv2d", "conv3d"), _convolved),
    **{
        found: _pooled(n)
        for n in (1, 2, 3)
        for kind in ("max", "avg", "adaptive_avg", "adaptive_max")
        for found in _methods(f"{kind}_pool{n}d")
    },
    **dict.fromkeys([*SHAPES, Tensor.dim, *map(_getter, ("ndim", "dtype", "device", "requires_grad"))], _fact),
    functional.linear: _linear,
    functional.batch_norm: _batch_norm,
    functional.prelu: _prelu,
    torch.prelu: _prelu,
    functional.embedding: _embedding,
}  # fmt: skip
"""What is known to leave zeros alone, as code calls it."""
