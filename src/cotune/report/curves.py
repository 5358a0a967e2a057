"""Learning curves."""

from __future__ import annotations

import math

from cotune.explain.course import ranking
from cotune.records import History, State
from cotune.report import chart
from cotune.report.axes import axis_of_most, axis_over
from cotune.report.markup import Content, Markup, together
from cotune.report.parts import figure, key, section, table
from cotune.spelled import counted

_MOST_CURVES = 60
_MOST_STEPS = 60
_MOST_ROWS = 200


def curves(history: History) -> Markup | None:
    """The first objective over the steps, of the best trials and of some others; None without curves."""
    objective, maximise = next(iter(history.objectives.items()))
    numbers = _chosen(history)
    lines = {number: _curve(history, number) for number in numbers}
    lines = {number: curve for number, curve in lines.items() if len(curve) > 1}
    if not lines:
        return None
    best = next((number for number in ranking(history)[:1] if number in lines), None)
    label = f"{objective} over the steps of {counted(len(lines), 'trial')}"
    picture = chart.drawing(chart.WIDE, *_marks(history, lines, best, objective, maximise), label=label)
    drawn = figure(picture, _caption(history, objective, len(lines), best), _ends(lines, objective))
    return section("curves", "Learning curves", drawn)


def _caption(history: History, objective: str, n_drawn: int, best: int | None) -> Markup:
    n = sum(history.step(number) > 1 for number in range(len(history)))
    left_out = f" Drawn are {n_drawn} of {n}: the best, and an even selection." if n > _MOST_CURVES else ""
    marks = [("line best", f"trial {best}, the best")] if best is not None else []
    what = (
        f"Each trial's {objective}, step by step; one that ends in a ring was stopped or is paused, in a cross failed. "
        "Values beyond the edge are drawn on it."
    )
    return together([what, left_out, key(*marks, ("line curve", "others"))])


def _chosen(history: History) -> list[int]:
    """The best third, and an even selection of all others."""
    have = [number for number in range(len(history)) if history.step(number) > 1]
    if len(have) <= _MOST_CURVES:
        return have
    rank = ranking(history)[: _MOST_CURVES // 3]
    others = [number for number in have if number not in frozenset(rank)]
    n = _MOST_CURVES - len(rank)
    return sorted({*rank, *(others[len(others) * k // n] for k in range(n))} if others else rank)


def _curve(history: History, number: int) -> list[tuple[int, float]]:
    """(step, value), at most as many as fit on the picture."""
    trial = history.trial(number)
    values = trial.curve.get(next(iter(history.objectives)), ())
    points = list(zip(trial.steps, values, strict=True)) if values else []
    every = math.ceil(len(points) / _MOST_STEPS) or 1
    return [point for place, point in enumerate(points) if place % every == 0 or place == len(points) - 1]


def _marks(
    history: History, lines: dict[int, list[tuple[int, float]]], best: int | None, objective: str, maximise: bool
) -> list[Content]:
    frame = chart.WIDE
    x = axis_over([step for curve in lines.values() for step, _ in curve], *frame.x)
    y = axis_of_most([value for curve in lines.values() for _, value in curve], *frame.y, maximise=maximise)
    marks: list[Content] = [chart.y_axis(frame, y, objective, 5), chart.x_axis(frame, x, "step", 8, is_whole=True)]
    for number in sorted(lines, key=lambda one: one == best):
        pixels = [(x.at(s), y.at(v) if math.isfinite(v) else math.nan) for s, v in lines[number]]
        kind = "curve best" if number == best else "curve"
        marks.append(chart.line(pixels, kind=kind, told=f"trial {number}, {history.state(number)}"))
        if history.state(number) in (State.STOPPED, State.PAUSED) and math.isfinite(pixels[-1][1]):
            marks.append(chart.dot(*pixels[-1], f"trial {number} was left here", kind="stopped", radius=2.6))
        if history.state(number) is State.FAILED and math.isfinite(pixels[-1][1]):
            marks.append(chart.cross(*pixels[-1], f"trial {number} failed here", kind="failed"))
    return marks


def _ends(lines: dict[int, list[tuple[int, float]]], objective: str) -> Markup:
    rows = [[number, curve[0][1], curve[-1][1], curve[-1][0]] for number, curve in lines.items()]
    return table(["trial", f"first {objective}", f"last {objective}", "step"], rows[:_MOST_ROWS],
                 caption="Where the curves begin and end")  # fmt: skip
