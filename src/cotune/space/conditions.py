"""When a hyperparameter is active: conditions on its parents, the order that follows, and what cannot ever hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cotune.errors import SpaceError
from cotune.space.encoding import Scale
from cotune.space.values import choice, nearest, real

_HAIR = 1e-12
"""Positions closer than this are taken for the same."""


class Condition(Protocol):
    """A fact about a parent's value."""

    def holds(self, value: Any) -> bool:
        """Whether an active parent's value satisfies it."""

    def on(self, scale: Scale) -> Condition:
        """The same in the parent's own values; ValueError if it does not fit the parent."""

    def witnesses(self, scale: Scale) -> Sequence[Any]:
        """Legal values of the parent to try: where conditions can hold together, they hold at one of these."""

    def spans(self, scale: Scale) -> Sequence[tuple[float, float]]:
        """Closed intervals of [0, 1] that hold the positions of just those values that satisfy it."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object with one key, the name of the function that makes the condition."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """The parent's value is one of `values`."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether `value` is among them."""
        return value in self.values

    def on(self, scale: Scale) -> Condition:
        """The same with values that the parent has."""
        if not self.values:
            raise ValueError("needs at least one value, got []. Add one.")
        return OneOf(tuple(scale.legal(value) for value in self.values))

    def witnesses(self, scale: Scale) -> Sequence[Any]:
        """Its values."""
        return self.values

    def spans(self, scale: Scale) -> Sequence[tuple[float, float]]:
        """A hair to both sides of each value."""
        units = [scale.encode(value)[0] for value in self.values]
        return [(unit - _HAIR, unit + _HAIR) for unit in units]

    def to_json(self) -> dict[str, Any]:
        """{"one_of": [...]}."""
        return {"one_of": list(self.values)}

    def __repr__(self) -> str:
        return repr(self.values[0]) if len(self.values) == 1 else f"one_of({', '.join(map(repr, self.values))})"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The parent's value is `bound` or more; for ordered choices, `bound` or one that comes later."""

    bound: Any

    def holds(self, value: Any) -> bool:
        """Whether value >= bound."""
        return bool(value >= self.bound)

    def on(self, scale: Scale) -> Condition:
        """Itself for a range of numbers, and the choices that fulfil it otherwise."""
        choices = scale.between(self.bound, None)
        return AtLeast(_number(self.bound)) if choices is None else _listed(self, choices)

    def witnesses(self, scale: Scale) -> Sequence[Any]:
        """The smallest legal value from the bound on."""
        return _known(scale.first(self.bound))

    def spans(self, scale: Scale) -> Sequence[tuple[float, float]]:
        """From where it begins to hold up to 1."""
        turn = _turn(lambda unit: not self.holds(scale.decode(unit, 0.0)))
        return [(turn, 1.0)] if self.holds(scale.decode(1.0, 0.0)) else []

    def to_json(self) -> dict[str, Any]:
        """{"at_least": bound}."""
        return {"at_least": self.bound}

    def __repr__(self) -> str:
        return f"at_least({self.bound!r})"


@dataclass(frozen=True, slots=True)
class AtMost:
    """The parent's value is `bound` or less; for ordered choices, `bound` or one that comes earlier."""

    bound: Any

    def holds(self, value: Any) -> bool:
        """Whether value <= bound."""
        return bool(value <= self.bound)

    def on(self, scale: Scale) -> Condition:
        """Itself for a range of numbers, and the choices that fulfil it otherwise."""
        choices = scale.between(None, self.bound)
        return AtMost(_number(self.bound)) if choices is None else _listed(self, choices)

    def witnesses(self, scale: Scale) -> Sequence[Any]:
        """The parent's smallest value."""
        return _known(scale.first(-math.inf))

    def spans(self, scale: Scale) -> Sequence[tuple[float, float]]:
        """From 0 to where it ceases to hold."""
        turn = _turn(lambda unit: self.holds(scale.decode(unit, 0.0)))
        return [(0.0, turn)] if self.holds(scale.decode(0.0, 0.0)) else []

    def to_json(self) -> dict[str, Any]:
        """{"at_most": bound}."""
        return {"at_most": self.bound}

    def __repr__(self) -> str:
        return f"at_most({self.bound!r})"


def _turn(holds: Callable[[float], bool]) -> float:
    """The position up to which `holds` is true, by bisection; 0 where it never is, 1 where it always is."""
    low, high = 0.0, 1.0
    if holds(high):
        return high
    while high - low > _HAIR:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return 0.5 * (low + high) if low else low


def at_least(bound: Any) -> AtLeast:
    """The parent is `bound` or more: `when={"layers": at_least(2)}`."""
    return AtLeast(bound)


def at_most(bound: Any) -> AtMost:
    """The parent is `bound` or less: `when={"layers": at_most(4)}`."""
    return AtMost(bound)


def one_of(*values: Any) -> OneOf:
    """The parent is one of these: `when={"optimizer": one_of("sgd", "rmsprop")}`; a list says the same."""
    return OneOf(values)


def parsed(value: Any, scale: Scale) -> Condition:
    """What a user wrote in `when` for a parent with this scale; ValueError if it does not fit."""
    if isinstance(value, OneOf | AtLeast | AtMost):
        return value.on(scale)
    if isinstance(value, list) and not _is_legal(value, scale):
        return OneOf(tuple(value)).on(scale)
    return OneOf((value,)).on(scale)


_KINDS: dict[str, Callable[[Any], Condition]] = {
    "one_of": lambda values: OneOf(tuple(values)),
    "at_least": AtLeast,
    "at_most": AtMost,
}


def from_json(content: Mapping[str, Any]) -> Condition:
    """The condition that `to_json` described."""
    ((kind, value),) = content.items()
    return _KINDS[kind](value)


def resolved(name: str, when: Mapping[str, Any], scales: Mapping[str, Scale]) -> dict[str, Condition]:
    """`when` of the parameter `name` with every condition checked against its parent."""
    conditions = {}
    for parent, value in when.items():
        if parent not in scales:
            raise SpaceError(f"{name!r} has when={{{parent!r}: ...}}, but there is none. {nearest(parent, scales)}")
        try:
            conditions[parent] = parsed(value, scales[parent])
        except ValueError as error:
            raise SpaceError(f"{name!r} has when={{{parent!r}: {value!r}}}, but {parent!r} {error}") from None
    return conditions


def parents_first(parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names in the order given, except that a name follows its parents; SpaceError if they go in a circle."""
    ordered: dict[str, None] = {}
    waiting = list(parents)
    while waiting:
        name = next((name for name in waiting if all(parent in ordered for parent in parents[name])), None)
        if name is None:
            raise SpaceError(f"the conditions of {', '.join(map(repr, waiting))} go in a circle. Remove one `when`.")
        ordered[name] = None
        waiting.remove(name)
    return tuple(ordered)


def activating(name: str, when: Mapping[str, Mapping[str, Condition]], scales: Mapping[str, Scale]) -> dict[str, Any]:
    """Values of all ancestors with which `name` is active; SpaceError if there are none.

    A parameter is active when all conditions of its own and of its ancestors hold, a plain conjunction. So each
    ancestor can be looked at alone, and one value of it has to fulfil everything that is asked of it.
    """
    asked: dict[str, list[Condition]] = {}
    waiting, seen = [name], {name}
    while waiting:
        for parent, condition in when[waiting.pop()].items():
            asked.setdefault(parent, []).append(condition)
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return {parent: _witness(name, parent, conditions, scales[parent]) for parent, conditions in asked.items()}


def _witness(name: str, parent: str, conditions: Sequence[Condition], scale: Scale) -> Any:
    for condition in conditions:
        for value in condition.witnesses(scale):
            if all(other.holds(value) for other in conditions):
                return scale.legal(value)
    wanted = " and ".join(map(repr, conditions))
    raise SpaceError(f"{name!r} is never active: no value of {parent!r} is {wanted}. Change a `when`.")


def _is_legal(value: Any, scale: Scale) -> bool:
    try:
        scale.legal(value)
    except ValueError:
        return False
    return True


def _number(bound: Any) -> Any:
    real(bound)
    return choice(bound)


def _known(value: Any | None) -> Sequence[Any]:
    return [] if value is None else [value]


def _listed(condition: Condition, choices: Sequence[Any]) -> Condition:
    if not choices:
        raise ValueError(f"has no choice that is {condition!r}. Move the bound.")
    return OneOf(tuple(choices))
