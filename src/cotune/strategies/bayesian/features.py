"""Positions in the unit cube -> the columns that the Gaussian process measures distances in.

A number, or an ordered choice, is one column. A choice without order is a one-hot row of length sqrt(1/2), so that two
different choices are at distance 1; its columns share a lengthscale. What is inactive stands in the middle (numbers)
or at zero (choices): configurations of one branch differ only in what is active there, and branches differ by the
choice that makes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cotune.space import Positions

Floats = NDArray[np.float64]

_MAX_HOT = 24
"""Above this many choices, each gets a pseudo-random code of `_CODE_BITS` signs: nearly one-hot, in fewer columns."""
_CODE_BITS = 32
_FEW_LEVELS = 16
_MANY = 10
_STEP = 1e-6


class Features:
    """The map for one space; pure arithmetic on arrays."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        counts = positions.counts
        self._widths = [
            1 if ordered else int(count) if count <= _MAX_HOT else _CODE_BITS
            for ordered, count in zip(positions.is_ordered, counts, strict=True)
        ]
        self.groups = np.repeat(np.arange(len(counts)), self._widths)
        self._first = np.cumsum([0, *self._widths[:-1]])
        self.is_number = np.asarray(positions.is_ordered)
        self.is_plain = bool(np.all(self.is_number)) and not positions.has_conditions
        self.levels = [self._levels(j) for j in range(len(counts))]
        self.is_fine = np.array(
            [ordered and not len(own) for ordered, own in zip(self.is_number, self.levels, strict=True)]
        )

    @property
    def n_groups(self) -> int:
        """Number of parameters d."""
        return len(self._widths)

    @property
    def is_wide(self) -> bool:
        """Whether there are many numbers or ordered choices, and nothing else: nearly all of the cube is corners."""
        return self.is_plain and self.n_groups >= _MANY

    def of(self, units: Floats) -> Floats:
        """(n, c) columns of snapped positions (n, d); NaN is allowed where a parameter is inactive."""
        if self.is_plain:
            return np.ascontiguousarray(units)
        active = self._positions.active(units)
        columns = np.zeros((len(units), len(self.groups)))
        for j, width in enumerate(self._widths):
            where = self._first[j]
            if self.is_number[j]:
                columns[:, where] = np.where(active[:, j], units[:, j], 0.5)
            else:
                rows = np.flatnonzero(active[:, j])
                columns[rows, where : where + width] = self._code(self._cells(units[rows, j], j), j)
        return columns

    def box(self, units: Floats) -> tuple[Floats, Floats, Floats]:
        """Columns of snapped positions, and the bounds between which a gradient may move them: active numbers only."""
        x = self.of(units)
        if self.is_plain:
            return x, np.zeros_like(x), np.ones_like(x)
        free = (self._positions.active(units) & self.is_number)[:, self.groups]
        return x, np.where(free, 0.0, x), np.where(free, 1.0, x)

    def moved(self, units: Floats, x: Floats) -> Floats:
        """The positions with their active numbers taken from the columns x, snapped."""
        numbers = x[:, self._first]
        return self._positions.snapped(np.where(self._positions.active(units) & self.is_number, numbers, units))

    def slopes(self, units: Floats, x: Floats, function: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
        """A function of positions at the positions `units` moved to the columns x, and its (m, c) differences there."""
        here = np.where(self._positions.active(units) & self.is_number, x[:, self._first], units)
        values, slopes = function(here), np.zeros_like(x)
        for j in np.flatnonzero(self.is_number):
            there = here.copy()
            there[:, j] += _STEP
            slopes[:, self._first[j]] = (function(there) - values) / _STEP
        return values, slopes

    def _levels(self, j: int) -> Floats:
        """All positions of a discrete parameter with few values or of choices without order; none otherwise."""
        count = self._positions.counts[j]
        if self.is_number[j] and count > _FEW_LEVELS:
            return np.empty(0)
        if not self.is_number[j]:
            return (np.arange(int(count), dtype=np.float64) + 0.5) / float(count)
        probe = np.full((4096, self.n_groups), 0.5)
        probe[:, j] = np.linspace(0.0, 1.0, 4096)
        return np.unique(self._positions.snapped(probe)[:, j])

    def _cells(self, units: Floats, j: int) -> NDArray[np.int64]:
        count = self._positions.counts[j]
        return np.minimum(np.floor(units * count), count - 1).astype(np.int64)

    def _code(self, cells: NDArray[np.int64], j: int) -> Floats:
        """(n, width) rows at distance 1 from each other (nearly so for codes)."""
        if self._positions.counts[j] <= _MAX_HOT:
            return np.eye(self._widths[j])[cells] * math.sqrt(0.5)
        bits = _scrambled(cells)[:, None] >> np.arange(_CODE_BITS, dtype=np.uint64) & np.uint64(1)
        return (2.0 * bits.astype(np.float64) - 1.0) / math.sqrt(2 * _CODE_BITS)


def _scrambled(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 pseudo-random bits per number (splitmix64; Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
