"""Values of a parameter <-> positions in [0, 1], exactly: the scale of a parameter, and the two continuous ones.

A position is one float, so it cannot tell all values apart. `rest` is what it loses, value - decode(position), and
with it every legal value comes back bit for bit. Why the difference of two floats v - p is exact here: encoding and
decoding together err by less than 9/2**53 of the largest bound, M. A position that decodes to |p| >= M/2**48 is thus
within |p|/2 of v, and Sterbenz' lemma says that v - p has no rounding error; every smaller p is snapped to 0, and
v - 0 is v. On a logarithmic scale the error is relative and small, so the lemma always applies. Only scalar
functions of `math` are used: their bits do not depend on how many values are encoded together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cotune.space.values import real

Floats = NDArray[np.float64]


class Scale(Protocol):
    """What a checked parameter is to the search: its legal values and their order along [0, 1]."""

    @property
    def count(self) -> int | None:
        """Number of legal values; None if they are continuous."""

    @property
    def is_wide(self) -> bool:
        """Whether one float cannot reach every value, so that sampling needs two."""

    @property
    def is_ordered(self) -> bool:
        """Whether neighbouring positions are alike; False for choices without an order."""

    def legal(self, value: Any) -> Any:
        """The legal value equal to `value`; ValueError, ready to follow the name, if there is none."""

    def encode(self, value: Any) -> tuple[float, float]:
        """(unit, rest) of a legal value."""

    def decode(self, unit: float, rest: float) -> Any:
        """The legal value at a position in [0, 1], corrected by `rest`."""

    def snapped(self, units: Floats) -> Floats:
        """Positions moved to where the values that they decode to are encoded, many at once, up to rounding."""

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The ends of the intervals that decode to the positions' values; the positions, if these are continuous."""

    def draw(self, unit: float, below: float) -> Any:
        """The value for a uniform number in [0, 1); `below` in [0, 1) says where between it and the next one."""

    def levels(self, n: int) -> list[Any]:
        """At most n >= 1 different values: all if there are no more than n, else evenly spaced with both ends."""

    def between(self, low: Any, high: Any) -> Sequence[Any] | None:
        """The choices from low to high (None: open); None for a range of numbers, where comparing is enough."""

    def first(self, bound: float) -> Any | None:
        """The smallest legal value >= bound; None if there is none."""


@dataclass(frozen=True, slots=True)
class Linear:
    """All floats in [low, high], evenly."""

    low: float
    high: float
    is_wide: bool = field(init=False, default=False)
    is_ordered: bool = field(init=False, default=True)
    _half: float = field(init=False)  # 0.5 where high - low overflows, else 1
    _width: float = field(init=False)
    _cell: float = field(init=False)

    def __post_init__(self) -> None:
        half = 1.0 if math.isfinite(self.high - self.low) else 0.5
        object.__setattr__(self, "_half", half)
        object.__setattr__(self, "_width", (self.high * half - self.low * half) or 1.0)
        object.__setattr__(self, "_cell", max(abs(self.low), abs(self.high)) * 2.0**-48)

    @property
    def count(self) -> int | None:
        """1 if low equals high, else None."""
        return 1 if self.low == self.high else None

    def legal(self, value: Any) -> float:
        """`value` as a float in [low, high]."""
        number = value if type(value) is float else real(value)
        if self.low <= number <= self.high:
            return number + 0.0
        raise ValueError(f"needs a number in [{self.low!r}, {self.high!r}], got {value!r}. Move it inside the range.")

    def encode(self, value: float) -> tuple[float, float]:
        """(unit, rest) of a value in [low, high]."""
        unit = (value * self._half - self.low * self._half) / self._width
        unit = min(max(unit, 0.0), 1.0)
        return unit, value - self._position(unit)

    def decode(self, unit: float, rest: float) -> float:
        """The value at `unit`; without a rest, low at 0 and high at 1."""
        return min(max(self._position(unit) + rest, self.low), self.high)

    def snapped(self, units: Floats) -> Floats:
        """The positions themselves; 0 if there is but one value."""
        return 0.0 * units if self.low == self.high else units

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The positions themselves; all of [0, 1] if there is but one value."""
        return (0.0 * units, 0.0 * units + 1.0) if self.low == self.high else (units, units)

    def draw(self, unit: float, below: float) -> float:
        """The value at `unit`."""
        return self.decode(unit, 0.0)

    def levels(self, n: int) -> list[float]:
        """At most n values, low and high included; the middle alone for n = 1."""
        return _levels(self, n, self.low, self.high)

    def between(self, low: Any, high: Any) -> None:
        """None: numbers are compared."""
        return

    def first(self, bound: float) -> float | None:
        """The smallest float in [low, high] that is >= bound."""
        return max(bound, self.low) if bound <= self.high else None

    def _position(self, unit: float) -> float:
        position = self.low * (1.0 - unit) + self.high * unit  # no difference of the bounds: it may overflow
        return position if abs(position) >= self._cell else 0.0


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """All floats in [low, high], low > 0, evenly in their logarithm."""

    low: float
    high: float
    is_wide: bool = field(init=False, default=False)
    is_ordered: bool = field(init=False, default=True)
    _first: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", math.log(self.low))
        object.__setattr__(self, "_last", math.log(self.high))

    @property
    def count(self) -> int | None:
        """1 if low equals high, else None."""
        return 1 if self.low == self.high else None

    def legal(self, value: Any) -> float:
        """`value` as a float in [low, high]."""
        number = value if type(value) is float else real(value)
        if self.low <= number <= self.high:
            return number
        raise ValueError(f"needs a number in [{self.low!r}, {self.high!r}], got {value!r}. Move it inside the range.")

    def encode(self, value: float) -> tuple[float, float]:
        """(unit, rest) of a value in [low, high]."""
        unit = (math.log(value) - self._first) / ((self._last - self._first) or 1.0)
        unit = min(max(unit, 0.0), 1.0)
        return unit, value - self._position(unit)

    def decode(self, unit: float, rest: float) -> float:
        """The value at `unit`, in [low, high]."""
        return min(max(self._position(unit) + rest, self.low), self.high)

    def snapped(self, units: Floats) -> Floats:
        """The positions themselves; 0 if there is but one value."""
        return 0.0 * units if self.low == self.high else units

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """The positions themselves; all of [0, 1] if there is but one value."""
        return (0.0 * units, 0.0 * units + 1.0) if self.low == self.high else (units, units)

    def draw(self, unit: float, below: float) -> float:
        """The value at `unit`."""
        return self.decode(unit, 0.0)

    def levels(self, n: int) -> list[float]:
        """At most n values, low and high included; the geometric middle alone for n = 1."""
        return _levels(self, n, self.low, self.high)

    def between(self, low: Any, high: Any) -> None:
        """None: numbers are compared."""
        return

    def first(self, bound: float) -> float | None:
        """The smallest float in [low, high] that is >= bound."""
        return max(bound, self.low) if bound <= self.high else None

    def _position(self, unit: float) -> float:
        exponent = self._first * (1.0 - unit) + self._last * unit
        return math.exp(min(max(exponent, self._first), self._last))  # beyond _last, exp may overflow


def _levels(scale: Scale, n: int, low: float, high: float) -> list[float]:
    """Evenly spaced positions, decoded; the inner ones rounded to 12 digits, so that 0.001 is not 0.00099...98."""
    if n == 1:
        return [scale.decode(0.5, 0.0)]
    inner = (float(f"{scale.decode(i / (n - 1), 0.0):.12g}") for i in range(1, n - 1))
    return list(dict.fromkeys([low, *(min(max(value, low), high) for value in inner), high]))
