"""The way from the start to the best, one change at a time."""

from __future__ import annotations

from collections.abc import Mapping

from cotune.explain.insight import Insight
from cotune.records import JsonValue
from cotune.report import chart
from cotune.report.axes import axis_over
from cotune.report.markup import Content, Markup
from cotune.report.parts import figure, section, table
from cotune.spelled import cut, shown

_ROW = 42.0


def path(insights: Mapping[str, Insight]) -> Markup | None:
    """What each change on the way from the start to the best brought; None if nothing is known."""
    told = [_path(one) for one in insights.values() if one.path and one.start_value is not None]
    return section("path", "From the start to the best", *told) if told else None


def _path(insight: Insight) -> Markup:
    assert insight.start_value is not None
    names = ["start", *[step.name for step in insight.path]]
    values = [insight.start_value, *[step.value for step in insight.path]]
    changes = ["", *[f"{_setting(step.before)} to {_setting(step.after)}" for step in insight.path]]
    rows = list(zip(names, changes, values, strict=True))
    numbers = table(["change", "from, to", insight.objective], rows, caption=f"Predicted {insight.objective}")
    label = f"Predicted {insight.objective} from {shown(values[0])} to {shown(values[-1])} by " + ", ".join(names[1:])
    caption = f"One change at a time, the one that brings most first: what the model expects of {insight.objective}."
    return figure(_path_drawing(names, changes, values, insight.objective, label), caption, numbers)


def _path_drawing(names: list[str], changes: list[str], values: list[float], objective: str, label: str) -> Markup:
    frame = chart.Frame(760, 66 + _ROW * len(names), left=210, top=8, right=64, bottom=48)
    x = axis_over(values, *frame.x)
    marks: list[Content] = [chart.x_axis(frame, x, objective, 5)]
    for row, (name, change, value) in enumerate(zip(names, changes, values, strict=True)):
        y, before = frame.top + _ROW * row + 16, values[max(row - 1, 0)]
        marks += [
            chart.words(cut(name, 26), frame.left - 12, y + (0 if change else 5), kind="name", anchor="end"),
            chart.words(cut(change, 30), frame.left - 12, y + 16, kind="change", anchor="end") if change else None,
            chart.segment(x.at(before), y, x.at(value), y, kind="step"),
            chart.segment(x.at(before), y - _ROW, x.at(before), y, kind="link") if row else None,
            chart.dot(x.at(value), y, f"{name}: {shown(value)}", kind="mean", radius=5),
            chart.words(shown(value), x.at(max(value, before)) + 10, y + 4, kind="value"),
        ]
    return chart.drawing(frame, *marks, label=label)


def _setting(value: JsonValue) -> str:
    return "none" if value is None else shown(value)
