"""Scales with countable values: each value owns a cell of [0, 1] and is encoded as its middle.

On all but the logarithmic one the cells are equal, so a uniform position gives each value an equal share.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from cotune.space.encoding import Floats
from cotune.space.values import key, nearest, real, whole


@dataclass(frozen=True, slots=True)
class Whole:
    """The ints low, low + step, ..., high, evenly."""

    low: int
    high: int
    step: int = 1
    count: int = field(init=False)
    is_ordered: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", (self.high - self.low) // self.step + 1)

    @property
    def is_wide(self) -> bool:
        """Whether there are more values than multiples of 2**-53 in [0, 1)."""
        return self.count > 2**53

    def legal(self, value: Any) -> int:
        """`value` as an int of the grid."""
        number = value if type(value) is int else whole(value)
        if self.low <= number <= self.high and (number - self.low) % self.step == 0:
            return number
        raise ValueError(_needs_int(self.low, self.high, self.step, value))

    def encode(self, value: int) -> tuple[float, float]:
        """(unit, rest); the rest is 0 unless there are more than about 2**50 values."""
        unit = (2 * ((value - self.low) // self.step) + 1) / (2 * self.count)  # ints divide correctly rounded
        return unit, float(value - self.decode(unit, 0.0))

    def decode(self, unit: float, rest: float) -> int:
        """The value whose cell holds `unit`, moved by `rest`."""
        return self.low + _cell(unit, self.count) * self.step + int(rest)

    def snapped(self, units: Floats) -> Floats:
        """The middles of the cells that the positions lie in."""
        return _middles(units, self.count)

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The ends of the cells that the positions lie in."""
        return _ends(units, self.count)

    def draw(self, unit: float, below: float) -> int:
        """The value whose cell holds unit + below / 2**53, computed with whole numbers: a float has too few bits."""
        bits = (int(unit * 2.0**53) << 53) + int(below * 2.0**53)
        return self.low + (bits * self.count >> 106) * self.step

    def levels(self, n: int) -> list[int]:
        """At most n values, both ends included."""
        return [self.low + index * self.step for index in _indices(self.count, n)]

    def between(self, low: Any, high: Any) -> None:
        """None: numbers are compared."""
        return

    def first(self, bound: float) -> int | None:
        """The smallest value >= bound."""
        if bound > self.high:
            return None
        return (
            self.low + max(0, -((self.low - math.ceil(bound)) // self.step)) * self.step
            if bound > self.low
            else self.low
        )


@dataclass(frozen=True, slots=True)
class LogWhole:
    """The ints in [low, high], low > 0; an int's cell reaches from 0.5 below it to 0.5 above it, in the logarithm."""

    low: int
    high: int
    is_ordered: bool = field(init=False, default=True)
    _first: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", math.log(self.low - 0.5))
        object.__setattr__(self, "_last", math.log(self.high + 0.5))

    @property
    def count(self) -> int:
        """Number of values."""
        return self.high - self.low + 1

    @property
    def is_wide(self) -> bool:
        """Whether there are ints that no position decodes to."""
        return self.high > 2**45

    def legal(self, value: Any) -> int:
        """`value` as an int in [low, high]."""
        number = value if type(value) is int else whole(value)
        if self.low <= number <= self.high:
            return number
        raise ValueError(_needs_int(self.low, self.high, 1, value))

    def encode(self, value: int) -> tuple[float, float]:
        """(unit, rest); the rest is 0 unless the value is above about 2**45."""
        unit = (math.log(value) - self._first) / (self._last - self._first)
        unit = min(max(unit, 0.0), 1.0)
        return unit, float(value - self.decode(unit, 0.0))

    def decode(self, unit: float, rest: float) -> int:
        """The value whose cell holds `unit`, moved by `rest`."""
        value = round(math.exp(self._first * (1.0 - unit) + self._last * unit))
        return min(max(value, self.low), self.high) + int(rest)

    def snapped(self, units: Floats) -> Floats:
        """The positions of the ints in whose cells they lie."""
        return self._places(self._values(units))

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The ends of the cells that the positions lie in."""
        values = self._values(units)
        return self._places(values - 0.5), self._places(values + 0.5)

    def draw(self, unit: float, below: float) -> int:
        """The value at `unit`, moved within the error of its logarithm: by less than value / 2**46.

        A logarithm up to 44 has an error of 2**-48 and positions are up to 44 / 2**53 apart, so from about 2**45 on
        there are ints that no position decodes to.
        """
        here = self.decode(unit, 0.0)
        return min(max(here + round((2.0 * below - 1.0) * here * 2.0**-46), self.low), self.high)

    def levels(self, n: int) -> list[int]:
        """At most n values, both ends included; rounding may merge neighbours."""
        if self.count <= n:
            return list(range(self.low, self.high + 1))
        if n == 1:
            return [self.decode(0.5, 0.0)]
        ratio = math.log(self.high / self.low) / (n - 1)
        inner = (round(self.low * math.exp(i * ratio)) for i in range(1, n - 1))
        return list(dict.fromkeys([self.low, *inner, self.high]))

    def between(self, low: Any, high: Any) -> None:
        """None: numbers are compared."""
        return

    def first(self, bound: float) -> int | None:
        """The smallest value >= bound."""
        return (max(math.ceil(bound), self.low) if bound > self.low else self.low) if bound <= self.high else None

    def _values(self, units: Floats) -> Floats:
        return np.exp(self._first * (1.0 - units) + self._last * units).round().clip(self.low, self.high)

    def _places(self, values: Floats) -> Floats:
        return ((np.log(values) - self._first) / (self._last - self._first)).clip(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Steps:
    """The floats low + k * step as they are written in decimal: 0.3, not 0.1 + 0.1 + 0.1.

    With the common denominator q of low and step, value k is (a + k * b) / q in whole numbers, rounded once.
    """

    low: float
    step: float
    count: int
    is_wide: bool = field(init=False, default=False)
    is_ordered: bool = field(init=False, default=True)
    _fraction: tuple[int, int, int] = field(init=False)  # (a, b, q)

    def __post_init__(self) -> None:
        low, step = decimal(self.low), decimal(self.step)
        q = math.lcm(low.denominator, step.denominator)
        object.__setattr__(self, "_fraction", (int(low * q), int(step * q), q))

    def legal(self, value: Any) -> float:
        """The value of the grid that `value` is, up to rounding: 0.1 + 0.2 is taken for 0.3."""
        number = value if type(value) is float and math.isfinite(value) else real(value)
        near = self._value(self._index(number))
        if abs(number - near) <= 1e-9 * self.step:
            return near
        raise ValueError(f"needs {self.low!r} plus a multiple of {self.step!r}, got {value!r}. Use {near!r}.")

    def encode(self, value: float) -> tuple[float, float]:
        """(unit, 0)."""
        return (self._index(value) + 0.5) / self.count, 0.0

    def decode(self, unit: float, rest: float) -> float:
        """The value whose cell holds `unit`."""
        return self._value(_cell(unit, self.count))

    def snapped(self, units: Floats) -> Floats:
        """The middles of the cells that the positions lie in."""
        return _middles(units, self.count)

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The ends of the cells that the positions lie in."""
        return _ends(units, self.count)

    def draw(self, unit: float, below: float) -> float:
        """The value at `unit`."""
        return self.decode(unit, 0.0)

    def levels(self, n: int) -> list[float]:
        """At most n values, both ends included."""
        return [self._value(index) for index in _indices(self.count, n)]

    def between(self, low: Any, high: Any) -> None:
        """None: numbers are compared."""
        return

    def first(self, bound: float) -> float | None:
        """The smallest value >= bound."""
        if bound > self._value(self.count - 1):
            return None
        index = self._index(bound)
        return self._value(index) if self._value(index) >= bound else self._value(index + 1)

    def _value(self, index: int) -> float:
        a, b, q = self._fraction
        return (a + index * b) / q

    def _index(self, value: float) -> int:
        """The index of the nearest value; two quotients, because value - low may overflow."""
        return round(min(max(value / self.step - self.low / self.step, 0.0), self.count - 1.0))


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of JSON values, in the order given; `is_ordered` says that the order means something."""

    choices: tuple[Any, ...]
    is_ordered: bool
    is_wide: bool = field(init=False, default=False)
    _places: dict[Any, int] = field(init=False)
    _is_nested: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {key(choice): place for place, choice in enumerate(self.choices)})
        object.__setattr__(self, "_is_nested", any(isinstance(choice, list | dict) for choice in self.choices))

    @property
    def count(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def legal(self, value: Any) -> Any:
        """The choice that equals `value`."""
        try:
            return self._fresh(self._places[key(value)])
        except (KeyError, TypeError):  # TypeError: not hashable, so no choice either
            remedy = nearest(value, self.choices)
            raise ValueError(f"needs one of its {self.count} choices, got {value!r}. {remedy}") from None

    def encode(self, value: Any) -> tuple[float, float]:
        """(unit, 0)."""
        return (self._places[key(value)] + 0.5) / self.count, 0.0

    def decode(self, unit: float, rest: float) -> Any:
        """The choice whose cell holds `unit`."""
        return self._fresh(_cell(unit, self.count))

    def snapped(self, units: Floats) -> Floats:
        """The middles of the cells that the positions lie in."""
        return _middles(units, self.count)

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The ends of the cells that the positions lie in."""
        return _ends(units, self.count)

    def draw(self, unit: float, below: float) -> Any:
        """The choice at `unit`."""
        return self._fresh(_cell(unit, self.count))

    def levels(self, n: int) -> list[Any]:
        """Always all choices: there is nothing between two of them."""
        return [self._fresh(place) for place in range(self.count)]

    def between(self, low: Any, high: Any) -> Sequence[Any]:
        """The choices from low to high: numbers by value, other choices by place if they are ordered."""
        rank = self._rank(low if high is None else high)
        bottom = -math.inf if low is None else rank(low)
        top = math.inf if high is None else rank(high)
        return [choice for choice in self.choices if bottom <= rank(choice) <= top]

    def first(self, bound: float) -> Any:
        """The first choice: conditions on choices are lists of them, never bounds."""
        return self.choices[0]

    def _rank(self, bound: Any) -> Any:
        if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in self.choices):
            return real
        if self.is_ordered:
            return lambda choice: self._places[key(self.legal(choice))]
        raise ValueError(f"needs ordered=True or numbers to be compared with {bound!r}. Or use one_of(...).")

    def _fresh(self, place: int) -> Any:
        """The choice, copied if it is a list or dict: a model that changes its own must not change the space."""
        return copy.deepcopy(self.choices[place]) if self._is_nested else self.choices[place]


def decimal(value: float) -> Fraction:
    """The number as it is written: Fraction(1, 10) for 0.1."""
    return Fraction(repr(value))


def _cell(unit: float, count: int) -> int:
    return min(int(unit * count), count - 1)


def _middles(units: Floats, count: int) -> Floats:
    return (np.minimum(np.floor(units * count), count - 1.0) + 0.5) / count


def _ends(units: Floats, count: int) -> tuple[Floats, Floats]:
    first = np.minimum(np.floor(units * count), count - 1.0)
    return first / count, (first + 1.0) / count


def _indices(count: int, n: int) -> list[int]:
    """At most n of 0..count - 1: all, or evenly spaced ones with both ends, or the middle."""
    if count <= n:
        return list(range(count))
    if n == 1:
        return [count // 2]
    return [(2 * i * (count - 1) + n - 1) // (2 * (n - 1)) for i in range(n)]


def _needs_int(low: int, high: int, step: int, value: object) -> str:
    grid = "" if step == 1 else f" at a multiple of {step} from {low}"
    return f"needs an int in [{low}, {high}]{grid}, got {value!r}. Move it onto the range."
