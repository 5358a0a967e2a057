"""Which parameters are active, given the values of others: configurations built and checked from parents down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cotune.errors import ConfigError, SpaceError
from cotune.space.conditions import activating, parents_first, resolved
from cotune.space.encoding import Scale
from cotune.space.grid import Gates, is_active
from cotune.space.parameters import Parameter
from cotune.space.values import nearest

Maker = Callable[[float, float], Any]
Point = tuple[dict[str, Any], list[str]]
"""The arguments of a Config: name to value of what is active, and the names of what is not."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The checked parameters of a space with their conditions; everything by name, parents first.

    ancestors: values of other parameters with which this one is active.
    """

    parameters: dict[str, Parameter]
    scales: dict[str, Scale]
    gates: Gates
    ancestors: dict[str, dict[str, Any]]
    parents: tuple[str, ...]
    decoders: list[Maker] = field(init=False)
    drawers: list[Maker] = field(init=False)
    is_wide: bool = field(init=False)

    def __post_init__(self) -> None:
        scales = self.scales.values()
        object.__setattr__(self, "decoders", [scale.decode for scale in scales])
        object.__setattr__(self, "drawers", [scale.draw for scale in scales])
        object.__setattr__(self, "is_wide", any(scale.is_wide for scale in scales))

    def assembled(self, makers: Sequence[Maker], units: Sequence[float], others: Sequence[float]) -> Point:
        """Value by value from its position and a second number, as long as its conditions hold."""
        values: dict[str, Any] = {}
        inactive: list[str] = []
        for (name, gates), make, unit, other in zip(self.gates.items(), makers, units, others, strict=True):
            if gates and not is_active(gates, values):
                inactive.append(name)
            else:
                assert 0.0 <= unit <= 1.0, (name, unit)
                values[name] = make(unit, other)
        return values, inactive

    def drawn(self, generator: np.random.Generator, forced: Mapping[str, Any] | None = None) -> Point:
        """Uniform in the unit cube, except for the forced values."""
        units = generator.random(len(self.gates)).tolist()
        below = generator.random(len(self.gates)).tolist() if self.is_wide else units
        if not forced:
            return self.assembled(self.drawers, units, below)
        makers = [_constant(forced[name]) if name in forced else scale.draw for name, scale in self.scales.items()]
        return self.assembled(makers, units, below)

    def legal(self, given: Mapping[str, Any], *, fill: bool) -> Point:
        """The given values as legal ones; ConfigError if one is not, or if names are missing, unknown or inactive."""
        for name in given:
            if name not in self.gates:
                raise ConfigError(f"the space has no {name!r}, got {given[name]!r}. {nearest(name, self.gates)}")
        values: dict[str, Any] = {}
        inactive: list[str] = []
        for name, gates in self.gates.items():
            if gates and not is_active(gates, values):
                inactive.append(name)
                if name in given:
                    raise ConfigError(self._inactive(name, given[name], values))
            elif name in given:
                values[name] = self._legal_value(name, given[name])
            elif fill:
                values[name] = self.parameters[name].preferred()
            else:
                raise ConfigError(f"{name!r} needs a value, got none. Add it: {self.parameters[name]!r}.")
        return values, inactive

    def absent(self, values: Mapping[str, Any]) -> list[str]:
        """The names that are inactive in a legal configuration."""
        return [name for name in self.gates if name not in values]

    def branches(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What examples should show: a name that must be active, and the value it must have if that matters."""
        for parent in self.parents:
            for level in self.scales[parent].levels(2):
                yield parent, {parent: level}
        for name in self.gates:
            yield name, {}

    def _legal_value(self, name: str, value: Any) -> Any:
        try:
            return self.scales[name].legal(value)
        except ValueError as error:
            raise ConfigError(f"{name!r} {error}") from None

    def _inactive(self, name: str, value: Any, values: Mapping[str, Any]) -> str:
        parent, condition = next(
            (parent, condition)
            for parent, condition in (self.parameters[name].when or {}).items()
            if parent not in values or not condition.holds(values[parent])
        )
        state = f"is {values[parent]!r}" if parent in values else "is inactive itself"
        return (
            f"{name!r} needs {parent!r} to be {condition!r}, which {state}, so it does not apply, got {value!r}. "
            f"Leave {name!r} out."
        )


def planted(declared: Mapping[str, Parameter]) -> Tree:
    """The tree of parameters whose `when` is as users write it; SpaceError if a condition is wrong."""
    scales = {name: parameter.scale() for name, parameter in declared.items()}
    when = {name: resolved(name, parameter.when or {}, scales) for name, parameter in declared.items()}
    names = parents_first(when)
    parents = dict.fromkeys(parent for name in names for parent in when[name])
    for parent in parents:
        _require_fixed(parent, declared[parent], [name for name in names if parent in when[name]])
    return Tree(
        parameters={name: declared[name].under(when[name] or None) for name in names},
        scales={name: scales[name] for name in names},
        gates={name: tuple((parent, condition.holds) for parent, condition in when[name].items()) for name in names},
        ancestors={name: activating(name, when, scales) for name in names},
        parents=tuple(parents),
    )


def _require_fixed(parent: str, parameter: Parameter, children: Sequence[str]) -> None:
    """SpaceError for a parameter that may change in training and decides which others there are."""
    if parameter.schedule:
        raise SpaceError(
            f"{parent!r} has schedule=True, but whether {', '.join(children)} is active depends on it. "
            "Leave schedule= out, so that it stays as it is while a trial trains."
        )


def _constant(value: Any) -> Maker:
    return lambda unit, other: value
