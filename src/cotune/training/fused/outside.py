"""What a model's code reads outside of its lanes: globals of its modules, and attributes of its classes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, final

import numpy as np
from torch import Tensor, nn

from cotune.training.fused.signature import Itself, fingerprint

_OTHERS = frozenset({"torch", "torchvision", "numpy", "scipy", "cotune", *sys.stdlib_module_names}) - {"__main__"}
"""Whose globals do not change: top-level packages."""
_DEPTH, _MOST = 4, 1000
"""So deep, and in containers of at most so many items, changes are seen."""


@final
class Outside:
    """Of the code of some modules and functions. What its names stand for may change; which names it reads does not."""

    def __init__(self, modules: Iterable[nn.Module], functions: Iterable[Any]) -> None:
        self._places: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._seen = set[CodeType]()
        for part in (part for module in modules for part in module.modules()):
            for own in type(part).__mro__:
                if _is_users(own.__module__):
                    self._read_class(own)
            self._read_all(vars(part).values())
        self._read_all(functions)

    def now(self) -> Hashable:
        """Equal as long as none of it has changed."""
        return tuple(_safely_told(space.get(name)) for (_, name), space in self._places.items())

    def _read_class(self, own: type) -> None:
        for name, value in vars(own).items():
            if _is(value, staticmethod, classmethod):
                value = value.__func__
            function = value.fget if _is(value, property) else value
            if _is(function, FunctionType):
                self._read(function)
            elif not name.startswith("__"):
                self._places[id(own), name] = vars(own)

    def _read_all(self, values: Iterable[Any]) -> None:
        for value in values:
            if _is(value, FunctionType):
                self._read(value)

    def _read(self, function: FunctionType) -> None:
        if function.__code__ in self._seen or not _is_users(function.__module__):
            return
        self._seen.add(function.__code__)
        names = _names(function.__code__)
        for name in names & function.__globals__.keys():
            value = function.__globals__[name]
            if _is(value, FunctionType):
                self._read(value)
            elif not _is(value, ModuleType, type):
                self._places[id(function.__globals__), name] = function.__globals__
            elif _is_users(value.__module__ if isinstance(value, type) else value.__name__):
                self._read_named(value, names)
        self._read_all(cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell))

    def _read_named(self, space: ModuleType | type, names: Collection[str]) -> None:
        """What the code may read of a module, or of a class."""
        for name in vars(space).keys() & names:
            value = vars(space)[name]
            if _is(value, FunctionType):
                self._read(value)
            elif not _is(value, ModuleType, type):
                self._places[id(space), name] = vars(space)


def _is(value: Any, *kinds: type) -> bool:
    """By its own type: an object that stands for another one may refuse to be asked."""
    return issubclass(type(value), kinds)


def _is_users(module: str | None) -> bool:
    return (module or "").partition(".")[0] not in _OTHERS


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where the variable has no value yet
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _names(code: CodeType) -> frozenset[str]:
    """Of the globals and attributes that code reads, and the functions in it."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(*inner)


def _safely_told(value: Any) -> Hashable:
    try:
        return _told(value, _DEPTH)
    except Exception:  # noqa: BLE001 - of objects that stand for others, say, and have their own idea of attributes
        return Itself(value)


def _told(value: Any, depth: int) -> Hashable:
    """Equal for values that compute the same, as far as can be seen at little cost: a `fingerprint` reads all."""
    match value:
        case bool() | int() | float() | str() | bytes() | None:
            return fingerprint(value, 0)
        case Tensor():
            return Itself(value), -1 if value.is_inference() else value._version
        case np.ndarray() if value.size <= _MOST:
            return fingerprint(value, 0)
        case list() | tuple() | Mapping() if depth and len(value) <= _MOST:
            return type(value).__name__, tuple(_parts(value, depth - 1))
    held = getattr(value, "__dict__", None)
    if depth and isinstance(held, dict) and not callable(value) and len(held) <= _MOST:
        return Itself(value), tuple(_parts(held, depth - 1))
    return Itself(value)


def _parts(value: Any, depth: int) -> Iterator[Hashable]:
    if isinstance(value, Mapping):
        yield from ((str(key), _told(item, depth)) for key, item in value.items())
    else:
        yield from (_told(item, depth) for item in value)
