"""Where the best results are to be found, as a rule in words: a box of the hyperparameters that matter most.

Source: Friedman & Fisher 1999, "Bump hunting in high-dimensional data" (peeling), on the surrogate's predictions at
evenly spread configurations, so that it is no echo of where the search happened to look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Importance
from cotune.explain.results import Results
from cotune.explain.surrogate import Landscape, Surrogate

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_PEEL, _SUPPORT = 0.1, 0.06
_MATTERS, _MOST = 0.05, 3
_KEPT = 0.9
_EDGE = 0.02
_MOST_CHOICES = 4
_LEAST_EXPLAINED = 0.2
_LEAST_GAIN = 0.3
"""A region whose mean is not better than that of the space by this many standard deviations is not worth words."""


@dataclass(frozen=True, slots=True)
class _Peel:
    """Which rows are left once a part of one parameter's range is taken off."""

    column: int
    left: Booleans


def rule(model: Surrogate, landscape: Landscape, results: Results, importance: Mapping[str, Importance]) -> str:
    """`accuracy is highest with learning_rate between 0.003 and 0.02 and optimizer adam: ...`, or ""."""
    if model.explained < _LEAST_EXPLAINED:
        return ""
    units, losses = landscape.units, landscape.losses
    spread = float(losses.std())
    columns = [model.space.names.index(name) for name, own in importance.items() if own.total.value >= _MATTERS]
    held = _simplified(losses, _peeled(units, losses, columns[:_MOST], model.space.positions.is_ordered))
    box = _all(list(held.values()), len(losses))
    if not held or spread <= 0 or losses.mean() - losses[box].mean() < _LEAST_GAIN * spread:
        return ""
    ranges = {j: _range(units[rows, j]) for j, rows in held.items()}
    words = " and ".join(_words(model, j, own) for j, own in ranges.items())
    there, whole = (
        _rounded(results.sign * (model.middle + model.spread * float(part.mean())), model.spread)
        for part in (losses[box], losses)
    )
    n = int(_all([_within(results.units[:, j], own, model, j) for j, own in ranges.items()], len(results)).sum())
    best = "highest" if results.sign < 0 else "lowest"
    known = f"{n} of {len(results)} results lie there"
    return f"{results.objective} is {best} with {words}: {there} on average, {whole} in the whole space ({known})"


def _peeled(units: Floats, losses: Floats, columns: Sequence[int], ordered: Booleans) -> dict[int, Booleans]:
    """column -> which rows it leaves, after what predicts worst was taken off bit by bit."""
    held = {j: np.ones(len(losses), dtype=np.bool_) for j in columns}
    box = np.ones(len(losses), dtype=np.bool_)
    while True:
        peels = [peel for j in columns for peel in _peels(units[:, j], box, j, is_ordered=bool(ordered[j]))]
        fitting = [peel for peel in peels if (box & peel.left).mean() >= _SUPPORT]
        better = [peel for peel in fitting if losses[box & peel.left].mean() < losses[box].mean()]
        if not better:
            return {j: rows for j, rows in held.items() if not rows.all()}
        best = min(better, key=lambda peel: float(losses[box & peel.left].mean()))
        held[best.column] &= best.left
        box &= best.left


def _peels(column: Floats, box: Booleans, j: int, *, is_ordered: bool) -> list[_Peel]:
    """Without the lowest or the highest tenth, or without one choice. What is inactive stays."""
    absent, inside = np.isnan(column), column[box & ~np.isnan(column)]
    levels = np.unique(inside)
    if len(levels) < 2:
        return []
    if not is_ordered:
        return [_Peel(j, absent | (column != level)) for level in levels]
    low, high = np.quantile(inside, [_PEEL, 1 - _PEEL], method="nearest")
    low, high = max(low, levels[1]), min(high, levels[-2])
    return [_Peel(j, absent | (column >= low)), _Peel(j, absent | (column <= high))]


def _simplified(losses: Floats, held: dict[int, Booleans]) -> dict[int, Booleans]:
    """Without the restrictions that hardly matter once the others hold."""
    whole, best = losses.mean(), losses[_all(list(held.values()), len(losses))].mean()
    for j in reversed(list(held)):
        others = {column: rows for column, rows in held.items() if column != j}
        if others and whole - losses[_all(list(others.values()), len(losses))].mean() >= _KEPT * (whole - best):
            held = others
    return held


def _all(conditions: Sequence[Booleans], n: int) -> Booleans:
    return np.logical_and.reduce([np.ones(n, dtype=np.bool_), *conditions])


def _range(column: Floats) -> Floats:
    """The positions that are left of one parameter, in order."""
    return np.unique(column[~np.isnan(column)])


def _within(column: Floats, own: Floats, model: Surrogate, j: int) -> Booleans:
    if not model.space.positions.is_ordered[j]:
        return np.isnan(column) | np.isin(column.round(9), own.round(9))
    return np.isnan(column) | ((own[0] <= column) & (column <= own[-1]))


def _words(model: Surrogate, j: int, own: Floats) -> str:
    name = model.space.names[j]
    scale = model.space.parameters[name].scale()
    if not scale.is_ordered:
        return f"{name} {_listed([_said(scale.decode(float(unit), 0.0)) for unit in own])}"
    low, high = (scale.decode(float(unit), 0.0) for unit in (own[0], own[-1]))
    first = own[0] <= _EDGE or low == scale.decode(0.0, 0.0)
    last = own[-1] >= 1 - _EDGE or high == scale.decode(1.0, 0.0)
    if low == high:
        return f"{name} {_said(low)}"
    if first or last:
        return f"{name} {'at most' if first else 'at least'} {_said(high if first else low)}"
    return f"{name} between {_said(low)} and {_said(high)}"


def _listed(choices: Sequence[str]) -> str:
    """All of few choices, and the first ones of many."""
    if len(choices) <= _MOST_CHOICES:
        return " or ".join(choices)
    return f"one of {len(choices)} choices such as {', '.join(choices[:2])}"


def _rounded(value: float, spread: float) -> str:
    """The value to a hundredth of the spread, or to three digits where these are fewer."""
    digits = 2 - math.floor(math.log10(spread))
    places = 1 + max(0, math.floor(math.log10(abs(value)))) if value else 1
    return f"{round(value, min(max(digits, -300), 300)):.{max(3, min(places + digits, 15))}g}"


def _said(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
