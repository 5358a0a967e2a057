"""The short notation: a pair of numbers is a range, a list is a choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cotune.errors import SpaceError
from cotune.space.parameters import Categorical, Float, Int, Parameter
from cotune.space.validation import check_name


def declared(parameters: Any, named: Mapping[str, Any]) -> dict[str, Parameter]:
    """The checked parameters of a mapping and of keywords together, in the order given."""
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping):
        raise SpaceError(f"a space needs a mapping of names to parameters, got {parameters!r}. Write Space({{...}}).")
    twice = [name for name in parameters if name in named]
    if twice:
        raise SpaceError(f"{twice[0]!r} is given twice, got {named[twice[0]]!r} as keyword. Keep one of the two.")
    items = [*parameters.items(), *named.items()]
    if not items:
        raise SpaceError("a space needs at least one parameter, got {}. Add one, e.g. learning_rate=(1e-4, 1e-1).")
    return {check_name(name): parameter(name, value).checked(name) for name, value in items}


def parameter(name: str, value: Any) -> Parameter:
    """What the short notation means: (0.0, 1.0) a Float, (1, 8) an Int, [..] a Categorical."""
    if isinstance(value, Float | Int | Categorical):
        return value
    if isinstance(value, list):
        return Categorical(value)
    if isinstance(value, tuple):
        return _pair(name, value)
    raise SpaceError(f"{name!r} needs a range or a list of choices, got {value!r}. {_suggestion(value)}")


def _pair(name: str, value: tuple[Any, ...]) -> Parameter:
    if len(value) != 2:
        raise SpaceError(f"{name!r} needs two numbers (low, high), got {value!r}. For choices use {list(value)!r}.")
    if any(isinstance(bound, bool) or not isinstance(bound, int | float | np.number) for bound in value):
        raise SpaceError(f"{name!r} needs two numbers (low, high), got {value!r}. For choices use {list(value)!r}.")
    is_whole = all(isinstance(bound, int | np.integer) for bound in value)
    return Int(*value) if is_whole else Float(*value)


def _suggestion(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return f"Use [{value!r}] for a constant, or leave it out."
    if isinstance(value, range) and len(value) > 0 and value.step > 0:
        step = f", step={value.step}" if value.step > 1 else ""
        return f"Use Int({value[0]}, {value[-1]}{step})."
    if isinstance(value, type) and issubclass(value, Float | Int | Categorical):
        return f"Call it, e.g. {value.__name__}(...)."
    if isinstance(value, set | frozenset | np.ndarray):
        return f"Use a list: {sorted(value, key=repr) if isinstance(value, set | frozenset) else value.tolist()!r}."
    return "Use e.g. (1e-4, 1e-1), (16, 256), ['a', 'b'], or ct.Float, ct.Int, ct.Categorical."
