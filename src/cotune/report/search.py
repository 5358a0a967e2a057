"""How the search went: every trial and the best so far, and the learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cotune.explain.course import Point, course, improvements, ranking
from cotune.records import History, State
from cotune.report import chart
from cotune.report.axes import Axis, axis_of_most, axis_over
from cotune.report.markup import Content, Markup, together
from cotune.report.parts import figure, key, paragraph, section, table
from cotune.spelled import counted, shown

_STRIP = 16.0
"""Pixels below the data for the trials that failed."""
_MOST_POINTS = 2_000
_MOST_CURVES = 60
_MOST_STEPS = 60
_MOST_ROWS = 200
_MARK = {State.DONE: "done", State.STOPPED: "stopped", State.PAUSED: "paused", State.RUNNING: "running"}


def progress(history: History) -> Markup | None:
    """Every trial, for every objective; None without trials."""
    if not len(history):
        return None
    return section("history", "History", *[_history(history, name, up) for name, up in history.objectives.items()])


def _history(history: History, objective: str, maximise: bool) -> Markup:
    points = course(history, objective)
    records = improvements(points, maximise=maximise)
    best = f", the best {shown(records[-1].value)} at trial {records[-1].number}" if records else ""
    n_failed = sum(point.state is State.FAILED for point in points)
    label = (
        f"{objective} of {counted(len(points), 'trial')} in their order{best}; "
        f"{counted(len(records), 'record')}, {n_failed} failed"
    )
    frame = chart.WIDE
    known = [point.value for point in points if point.value is not None and math.isfinite(point.value)]
    if not known:
        return paragraph(f"No trial has a value of {objective} to draw.")
    y = axis_of_most(known, frame.y[0] - _STRIP, frame.y[1], maximise=maximise)
    outside = sum(not y.holds(value) for value in known)
    caption = _caption(objective, maximise, outside, len(points))
    numbers = table(["trial", objective], [[point.number, point.value] for point in records], caption="Every new best")
    picture = chart.drawing(frame, *_marks(points, records, y, objective), label=label)
    return figure(picture, caption, numbers)


def _caption(objective: str, maximise: bool, outside: int, n: int) -> Markup:
    goal = "higher" if maximise else "lower"
    beyond = f" {counted(outside, 'trial')} lie beyond the edge." if outside else ""
    thinned = f" Of {n} trials about {_MOST_POINTS} are drawn." if n > _MOST_POINTS else ""
    marks = (("line best", "best so far"), ("point done", "done"), ("point stopped", "stopped or paused"),
             ("point failed", "failed"))  # fmt: skip
    return together([f"Every trial's {objective} ({goal} is better) at its last step.{beyond}{thinned}", key(*marks)])


def _marks(points: Sequence[Point], records: Sequence[Point], y: Axis, objective: str) -> list[Content]:
    frame = chart.WIDE
    x = axis_over([0, max(len(points) - 1, 1)], *frame.x)
    every = math.ceil(len(points) / _MOST_POINTS)
    shown_points = [point for point in points if point.number % every == 0]
    stairs = [(x.at(point.number), y.at(point.value)) for point in records if point.value is not None]
    return [
        chart.y_axis(frame, y, objective, 5),
        chart.x_axis(frame, x, "trial", 8, is_whole=True),
        *[_mark(point, x, y, objective) for point in shown_points],
        chart.stairs(stairs, x.at(len(points) - 1), kind="record"),
        *[_record(point, x, y, objective) for point in records[-1:]],
    ]


def _mark(point: Point, x: Axis, y: Axis, objective: str) -> Markup | None:
    at, value = x.at(point.number), point.value
    if point.state is State.FAILED:
        return chart.cross(at, chart.WIDE.y[0] - 7, f"trial {point.number} failed", kind="failed")
    if value is None or not math.isfinite(value):
        return None
    told = f"trial {point.number}, {point.state}: {objective} {shown(value)}"
    return chart.dot(at, y.at(value), told, kind=_MARK.get(point.state, "done"))


def _record(point: Point, x: Axis, y: Axis, objective: str) -> Markup:
    assert point.value is not None
    told = f"the best, trial {point.number}: {objective} {shown(point.value)}"
    return chart.dot(x.at(point.number), y.at(point.value), told, kind="best", radius=5)


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
    left_out = f" {len(history)} trials have been; these are the best and an even selection of the others." if len(
        history) > len(lines) else ""  # fmt: skip
    caption = together([f"{objective} step by step; a curve that ends in a ring was stopped or is paused.{left_out}",
                        key(("line best", f"trial {best}, the best" if best is not None else "the best"),
                            ("line curve", "others"))])  # fmt: skip
    picture = chart.drawing(chart.WIDE, *_curve_marks(history, lines, best, objective, maximise), label=label)
    return section("curves", "Learning curves", figure(picture, caption, _ends(lines, objective)))


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


def _curve_marks(
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
            marks.append(chart.dot(*pixels[-1], f"trial {number} left here", kind="stopped", radius=2.6))
    return marks


def _ends(lines: dict[int, list[tuple[int, float]]], objective: str) -> Markup:
    rows = [[number, curve[0][1], curve[-1][1], curve[-1][0]] for number, curve in lines.items()]
    return table(["trial", f"first {objective}", f"last {objective}", "step"], rows[:_MOST_ROWS],
                 caption="Where the curves begin and end")  # fmt: skip
