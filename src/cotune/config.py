"""The values of one trial's hyperparameters, readable as a mapping and as attributes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Config(Mapping[str, Any]):
    """An immutable mapping of hyperparameter names to values, with attribute access.

    A name whose condition does not hold is absent. Reading a name is noted in `read`, so that a hyperparameter that
    nothing reads can be told to the user.

    >>> config = Config({"hidden": 64, "learning_rate": 0.01})
    >>> config.hidden, config["learning_rate"], "momentum" in config
    (64, 0.01, False)
    """

    __slots__ = ("_inactive", "_read", "_values")

    def __init__(self, values: Mapping[str, Any], inactive: Iterable[str] = ()) -> None:
        """values: name to value. inactive: names of the space that do not apply here (they make errors helpful)."""
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_inactive", frozenset(inactive))
        object.__setattr__(self, "_read", set())

    @property
    def read(self) -> frozenset[str]:
        """The names that were read so far, by attribute, item, `get`, `in`, iteration or unpacking."""
        return frozenset(self._read)

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._read.add(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self._absent(name)) from None

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            self._read.add(name)
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        self._read.update(self._values)
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Config cannot be changed (tried to set {name!r}); make a new one with dict(config)")

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (self._values, tuple(self._inactive))

    def _absent(self, name: str) -> str:
        if name in self._inactive:
            return f"hyperparameter {name!r} is inactive in this configuration; use config.get({name!r}, default)"
        near = difflib.get_close_matches(name, [*self._values, *self._inactive], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(self._values) or 'none'}"
        return f"this configuration has no hyperparameter {name!r}{hint}"
