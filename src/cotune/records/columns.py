"""Configurations and losses as matrices that grow with the history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
from cotune.space import Space

Floats = NDArray[np.float64]


class Columns:
    """x (n, d): positions in the unit cube, NaN where inactive. y (n, m): losses, NaN without one. ended (n,).

    Rows are written once and encoded when they are first asked for.
    """

    def __init__(self) -> None:
        self.signs: list[float] = []
        self.n_encoded = 0
        self._x: Floats = np.empty((0, 0))
        self._y: Floats = np.empty((0, 0))
        self._ended = np.zeros(0, dtype=np.bool_)

    def copy(self) -> Columns:
        """The same rows, in arrays of its own."""
        other = Columns()
        other.signs, other.n_encoded = self.signs, self.n_encoded
        other._x, other._y, other._ended = self._x.copy(), self._y.copy(), self._ended.copy()
        return other

    def x(self, space: Space, new: Sequence[Config]) -> Floats:
        """All rows, after encoding the configurations that were not yet."""
        n = self.n_encoded + len(new)
        self._x = _grown(self._x, n, space.dimension)
        for i, config in enumerate(new):
            self._x[self.n_encoded + i] = space.encode(config)[0]
        self.n_encoded = n
        return self._x[:n]

    def y(self, n: int) -> Floats:
        """The first n rows."""
        self._y = _grown(self._y, n, len(self.signs))
        return self._y[:n]

    def set_y(self, number: int, losses: Sequence[float]) -> None:
        """Write the losses of a trial."""
        if number >= len(self._y):
            self._y = _grown(self._y, number + 1, len(self.signs))
        self._y[number] = losses

    def ended(self, n: int) -> NDArray[np.bool_]:
        """Whether each of the first n trials has come to a milestone or to its outcome."""
        if len(self._ended) < n:
            self._ended = np.concatenate([self._ended, np.zeros(max(n, 16), dtype=np.bool_)])
        return self._ended[:n]

    def set_ended(self, number: int) -> None:
        """Note that a trial has."""
        if number >= len(self._ended):
            self.ended(number + 1)
        self._ended[number] = True


def undominated(losses: Floats) -> NDArray[np.intp]:
    """The rows of losses (n, m), in order, that no other one is nowhere above and somewhere below.

    Each row that stays throws out what it dominates, so that the cost is of the order of n times the length of the
    front.
    """
    rows, at = np.arange(len(losses)), 0
    while at < len(rows):
        own = losses[rows[at]]
        stays = np.any(losses[rows] < own, axis=1) | np.all(losses[rows] == own, axis=1)
        at = int(np.count_nonzero(stays[:at])) + 1
        rows = rows[stays]
    return rows


def _grown(matrix: Floats, n: int, width: int) -> Floats:
    """The matrix with room for n rows; new rows are NaN."""
    if len(matrix) >= n and matrix.shape[1] == width:
        return matrix
    larger = np.full((max(n, 2 * len(matrix), 16), width), np.nan)
    if len(matrix):
        larger[: len(matrix)] = matrix
    return larger
