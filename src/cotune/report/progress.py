"""How the search went: every trial, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cotune.explain.course import Point, course, improvements
from cotune.records import History, State
from cotune.report import chart
from cotune.report.axes import Axis, axis_of_most, axis_over
from cotune.report.markup import Content, Markup, together
from cotune.report.parts import figure, key, paragraph, section, table
from cotune.spelled import counted, shown

_STRIP = 16.0
"""Pixels below the data for the trials that failed."""
_MOST_POINTS = 2_000
_KEY = {
    State.DONE: ("point done", "done"),
    State.STOPPED: ("point stopped", "stopped"),
    State.PAUSED: ("point stopped", "paused"),
    State.RUNNING: ("point running", "running"),
    State.FAILED: ("point failed", "failed"),
}
_MARK = {State.DONE: "done", State.STOPPED: "stopped", State.PAUSED: "paused", State.RUNNING: "running"}


def progress(history: History) -> Markup | None:
    """Every trial, for every objective; None without trials."""
    if not len(history):
        return None
    return section("history", "History", *[_history(history, name, up) for name, up in history.objectives.items()])


def _history(history: History, objective: str, maximise: bool) -> Markup:
    points = course(history, objective)
    known = [point.value for point in points if point.value is not None and math.isfinite(point.value)]
    if not known:
        return paragraph(f"No trial has a value of {objective} to draw.")
    frame, records = chart.WIDE, improvements(points, maximise=maximise)
    y = axis_of_most(known, frame.y[0] - _STRIP, frame.y[1], maximise=maximise)
    caption = _caption(objective, maximise, sum(not y.holds(value) for value in known), points)
    numbers = table(["trial", objective], [[point.number, point.value] for point in records], caption="Every new best")
    label = _in_words(points, records, objective)
    return figure(chart.drawing(frame, *_marks(points, records, y, objective), label=label), caption, numbers)


def _in_words(points: Sequence[Point], records: Sequence[Point], objective: str) -> str:
    best = f", the best {shown(records[-1].value)} at trial {records[-1].number}" if records else ""
    n_failed = sum(point.state is State.FAILED for point in points)
    what = f"{objective} of {counted(len(points), 'trial')} in their order{best}"
    return f"{what}; {counted(len(records), 'record')}, {n_failed} failed"


def _caption(objective: str, maximise: bool, outside: int, points: Sequence[Point]) -> Markup:
    n, goal = len(points), "higher" if maximise else "lower"
    beyond = f" Beyond the edge: {counted(outside, 'trial')}." if outside else ""
    thinned = f" Of {n} trials about {_MOST_POINTS} are drawn." if n > _MOST_POINTS else ""
    there = {point.state for point in points}
    marks = [("line best", "best so far"), *[entry for state, entry in _KEY.items() if state in there]]
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
