"""Into torch.vmap and out of it again, at the cost of a few microseconds.

`torch.vmap` itself takes a quarter of a millisecond per call, and a `torch.autograd.Function` with a rule for it a
tenth; a small network's whole forward pass takes less. So this file rests on functorch's own entry points, which torch
does not promise to keep: where they are missing, Unfusable is raised, and trials train by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from cotune.training.fused.refusal import Unfusable

try:
    from torch._C._functorch import (  # type: ignore[attr-defined]
        _add_batch_dim,
        _remove_batch_dim,
        _set_vmap_fallback_warning_enabled,
        _vmap_decrement_nesting,
        _vmap_increment_nesting,
        current_level,
        get_unwrapped,
        is_batchedtensor,
        maybe_get_bdim,
        pop_dynamic_layer_stack,
        push_dynamic_layer_stack,
    )
    from torch._functorch.vmap import lazy_load_decompositions  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover - another torch
    _IS_KNOWN = False
else:
    _IS_KNOWN = True


def per_lane(function: Callable[..., Any], n_lanes: int, inputs: Any) -> Any:
    """`function(inputs)` as one lane sees them. inputs and result: tensors (K, ...), or tuples, lists, dicts of them.

    Code inside that draws random numbers by itself raises RuntimeError.
    """
    if not _IS_KNOWN:
        raise Unfusable(f"torch {torch.__version__} keeps its lanes in another way")
    lazy_load_decompositions()
    _set_vmap_fallback_warning_enabled(False)  # a rule that is missing costs time, which is measured anyway
    level = _vmap_increment_nesting(n_lanes, "error")
    try:
        result = function(mapped(lambda tensor: _add_batch_dim(tensor, 0, level), inputs))
        return mapped(lambda tensor: _remove_batch_dim(tensor, level, n_lanes, 0), result)
    finally:
        _vmap_decrement_nesting()
        _set_vmap_fallback_warning_enabled(True)


def across(function: Callable[..., Any], n_lanes: int, inputs: tuple[Any, ...]) -> Any:
    """Inside `per_lane`: `function` of what all lanes have of each input, (K, ...), as what one lane sees."""
    level = current_level()
    whole = [_whole(value, n_lanes) for value in inputs]
    layer = pop_dynamic_layer_stack()
    try:
        result = function(*whole)
    finally:
        push_dynamic_layer_stack(layer)
    return mapped(lambda tensor: _add_batch_dim(tensor, 0, level), result)


def depth() -> int:
    """How many of functorch's transforms the running code is inside of."""
    return int(current_level())


def is_of_lanes(value: Any) -> bool:
    """Whether a value may differ from lane to lane."""
    return isinstance(value, Tensor) and bool(is_batchedtensor(value))


def _whole(value: Any, n_lanes: int) -> Any:
    if not isinstance(value, Tensor):
        return value
    if not is_batchedtensor(value):
        return value[None].expand(n_lanes, *value.shape)
    at, inner = maybe_get_bdim(value), get_unwrapped(value)
    return inner if at == 0 else inner.movedim(at, 0)


def tensors(values: Any) -> Iterator[Tensor]:
    """Those in tuples, lists and dicts, in the order of `mapped`."""
    return (leaf for leaf in leaves(values) if isinstance(leaf, Tensor))


def leaves(values: Any) -> Iterator[Any]:
    """All that is in tuples, lists and dicts, the names in dicts included."""
    match values:
        case dict():
            for name, value in values.items():
                yield name
                yield from leaves(value)
        case tuple() | list():
            for value in values:
                yield from leaves(value)
        case _:
            yield values


def mapped(change: Callable[[Tensor], Tensor], values: Any) -> Any:
    """Tensors, or tuples, lists, dicts of them and other things, with each tensor changed."""
    match values:
        case Tensor():
            return change(values)
        case dict():
            return {name: mapped(change, value) for name, value in values.items()}
        case tuple() if hasattr(values, "_fields"):
            return type(values)(*[mapped(change, value) for value in values])
        case tuple() | list():
            return type(values)(mapped(change, value) for value in values)
    return values
