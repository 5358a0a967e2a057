"""Results over the values of the parameters: one, two, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cotune.explain.course import Point, course
from cotune.plots.axes import (
    BEST,
    DONE,
    FAILED,
    axes_for,
    labelled,
    marker,
    one_objective,
    one_parameter,
    places,
    scaled,
    told,
)
from cotune.records import History, JsonValue, State
from cotune.space import Parameter
from cotune.spelled import counted, shown
from cotune.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

_FEWEST = 20
"""Below so many results no surface is drawn: it would be made up."""
_WIDTH = 0.12
"""Standard deviation of the kernel, in units of a parameter's whole range."""
_COVERED = 1.0
"""How many results must lie within about a kernel's width for the surface to be shown."""
_GRID = 60
_RGB = tuple(int(BEST[k : k + 2], 16) / 255 for k in (1, 3, 5))
_LEVELS = 5
_BESIDE, _GOLDEN = 0.4, 0.6180339887
"""Choices are spread over so much of their place, by multiples of the golden ratio, which never crowd."""

Floats = NDArray[np.float64]


def slice(study: Study, name: str, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """Every trial's objective at its last step over one parameter; trials where it is inactive are left out.

    Filled marks are done; hollow ones were stopped, are paused or still run; crosses at the bottom failed.
    """
    ax, known = axes_for(ax), study.history
    parameter = one_parameter(known, name, "slice")
    goal, _ = one_objective(known, objective, "slice")
    points = [point for point in course(known, goal) if name in known.config(point.number)]
    if not points:
        return told(ax, f"No trial has {name} yet.")
    at = dict(zip([point.number for point in points], _spread(known, parameter, name, points), strict=True))
    for state in State:
        there = [point for point in points if point.state is state and point.value is not None]
        face = DONE if state is State.DONE else "none"
        x, y = [at[point.number] for point in there], [point.value or 0.0 for point in there]
        ax.scatter(x, y, s=18, marker=marker(state), facecolors=face, edgecolors=DONE)
    failed = [at[point.number] for point in points if point.state is State.FAILED]
    ax.plot(failed, [0.02] * len(failed), "x", color=FAILED, transform=ax.get_xaxis_transform())
    scaled(ax, parameter, name)
    ax.set_ylabel(labelled(goal))
    return ax


def _spread(known: History, parameter: Parameter, name: str, points: list[Point]) -> list[float]:
    """Where the values lie; those of choices a little beside each other, so that none hides another."""
    at = places(parameter, [known.config(point.number)[name] for point in points])
    if parameter.kind != "categorical":
        return at
    return [x + _BESIDE * (point.number * _GOLDEN % 1 - 0.5) for x, point in zip(at, points, strict=True)]


def parallel(study: Study, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """One line for each trial with a result, across all parameters, from pale (worst) to dark (best).

    A line is broken where a parameter is inactive. Each parameter goes from its low end to its high one.
    """
    ax, known = axes_for(ax), study.history
    goal, maximise = one_objective(known, objective, "parallel")
    points = [point for point in course(known, goal) if point.value is not None and point.is_contender]
    if not points:
        return told(ax, "No trial has a result yet.")
    order = sorted(points, key=lambda point: (point.value or 0.0) * (1 if maximise else -1))
    columns, x = range(known.space.dimension), known.x
    shares = np.arange(1, len(order) + 1) / len(order)
    lines = [np.column_stack([columns, x[point.number]]) for point in order]
    ax.add_collection(_lines(lines, alpha=0.06 + 0.5 * shares**3, widths=0.8 + shares**3))
    ax.plot(columns, x[order[-1].number], color=BEST, linewidth=2.6, marker="o")
    for column, parameter in zip(columns, known.space.parameters.values(), strict=True):
        ax.axvline(column, color="0.8", linewidth=0.8, zorder=0)
        _ladder(ax, column, parameter)
    ax.set_xticks(columns, [labelled(name) for name in known.space.names])
    title = f"{labelled(goal)}: {counted(len(order), 'result')}, the best is trial {order[-1].number}"
    ax.set(yticks=[], xlim=(-0.2, len(columns) - 0.5), ylim=(-0.03, 1.03), title=title)
    return ax


def _lines(lines: list[Floats], *, alpha: Floats, widths: Floats) -> LineCollection:
    from matplotlib.collections import LineCollection

    return LineCollection(lines, colors=[(*_RGB, float(one)) for one in alpha], linewidths=widths.tolist())


def _ladder(ax: Axes, column: int, parameter: Parameter) -> None:
    """A few values beside a parameter's line."""
    for level in parameter.levels(_LEVELS):
        at = parameter.scale().encode(level)[0]
        ax.annotate(_level(level), (column, at), xytext=(4, 0), textcoords="offset points", fontsize=7,
                    va="center", color="0.35")  # fmt: skip


def _level(value: JsonValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else labelled(shown(value))


def contour(study: Study, first: str, second: str, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """The average of results over two parameters, where there are any, and the results themselves as points.

    What no result is near to stays white, and with fewer than 20 results only the points are drawn. The surface is an
    average with Gaussian weights (Nadaraya 1964, Watson 1964), not a model's prediction.
    """
    ax, known = axes_for(ax), study.history
    goal, _ = one_objective(known, objective, "contour")
    pair = [one_parameter(known, name, "contour") for name in (first, second)]
    columns = [known.space.names.index(name) for name in (first, second)]
    at, values = _results(known, columns, goal)
    if not len(values):
        return told(ax, f"No trial with {first} and {second} has a result yet.")
    if len(values) >= _FEWEST:
        line = np.linspace(0.0, 1.0, _GRID)
        surface = ax.contourf(line, line, smoothed(at, values, line), levels=12, cmap="viridis", alpha=0.85)
        ax.figure.colorbar(surface, ax=ax, label=f"average {labelled(goal)}")
    ax.scatter(at[:, 0], at[:, 1], s=12, c="black", edgecolors="white", linewidths=0.5)
    for axis, name, parameter in zip((ax.xaxis, ax.yaxis), (first, second), pair, strict=True):
        levels = parameter.levels(_LEVELS)
        axis.set_ticks([parameter.scale().encode(level)[0] for level in levels], [_level(v) for v in levels])
        axis.set_label_text(labelled(name))
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=counted(len(values), "result"))
    return ax


def smoothed(at: Floats, values: Floats, line: Floats) -> Floats:
    """Weighted averages of values (n,) at positions (n, 2) on a grid (k, k) over line x line, rows along the second.

    NaN where too little lies near.
    """
    near = [np.exp(-0.5 * ((line[:, None] - at[None, :, column]) / _WIDTH) ** 2) for column in (0, 1)]
    weights = np.einsum("in,jn->ijn", near[1], near[0])
    total = weights.sum(axis=2)
    average: Floats = np.where(total >= _COVERED, (weights @ values) / np.maximum(total, 1e-300), np.nan)
    return average


def _results(known: History, columns: list[int], goal: str) -> tuple[Floats, Floats]:
    """Positions (n, 2) and values (n,) of the contenders where both parameters are active."""
    points = [point for point in course(known, goal) if point.value is not None and point.is_contender]
    rows = [p.number for p in points if not np.isnan(known.x[p.number, columns]).any()]
    values = {point.number: point.value for point in points}
    return known.x[rows][:, columns], np.array([values[number] for number in rows], dtype=np.float64)
