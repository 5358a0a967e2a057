"""What the model expects of an objective along each parameter."""

from __future__ import annotations

from collections.abc import Mapping

from cotune.explain.insight import Dependence, Insight
from cotune.records import JsonValue
from cotune.report import chart
from cotune.report.axes import Axis, axis_over
from cotune.report.markup import Content, Markup, tag, together
from cotune.report.parts import figure, paragraph, section, table
from cotune.spelled import counted, shown

_MOST_EFFECTS = 12
_RUG = 26.0
"""Pixels below the data for the bars that show where results are."""


def effects(insights: Mapping[str, Insight], best: Mapping[str, JsonValue]) -> Markup | None:
    """The objective along every parameter, the important ones first; None if nothing is known. best: marked values."""
    told = [_effects(one, best, len(insights) > 1) for one in insights.values() if one.dependence]
    return section("effects", "Effects", *told) if told else None


def _effects(insight: Insight, best: Mapping[str, JsonValue], is_named: bool) -> Markup:
    def weight(name: str) -> float:
        return insight.importance[name].total.value if name in insight.importance else 0.0

    names = sorted(insight.dependence, key=lambda name: -weight(name))
    drawn = [insight.dependence[name] for name in names[:_MOST_EFFECTS]]
    y = axis_over(
        [v for one in drawn for v in (*one.low, *one.high, *one.mean)], chart.SMALL.y[0] - _RUG, chart.SMALL.y[1]
    )
    heading = tag("h3", insight.objective) if is_named else None
    rest = f" {len(names) - _MOST_EFFECTS} less important ones are left out." if len(names) > _MOST_EFFECTS else ""
    mark = " A dashed line, or a ring around a choice, marks the best trial's value." if best else ""
    lead = paragraph(
        f"What the model expects of {insight.objective} along each parameter, on average over all others, with a 90 % "
        f"band; all on one scale. Bars at the bottom show where results are: where there are none, it is a guess."
        f"{mark}{rest}"
    )
    return together([heading, lead, tag("div", *[_effect(one, insight, y, best.get(one.name)) for one in drawn],
                                        class_="small")])  # fmt: skip


def _effect(one: Dependence, insight: Insight, y: Axis, best: JsonValue) -> Markup:
    highest = max(range(len(one.mean)), key=lambda k: one.mean[k] * (1 if insight.maximise else -1))
    label = (
        f"{insight.objective} along {one.name}: expected best {shown(one.mean[highest])} at "
        f"{shown(one.values[highest])}, over {counted(sum(one.counts), 'result')}"
    )
    rows: list[list[Content | float]] = [
        [shown(value), mean, low, high, n]
        for value, mean, low, high, n in zip(one.values, one.mean, one.low, one.high, one.counts, strict=True)
    ]
    numbers = table([one.name, "mean", "low", "high", "results near"], rows, caption=f"Effect of {one.name}")
    marks = _along_numbers(one, y, best) if one.is_number else _along_choices(one, y, best)
    picture = chart.drawing(chart.SMALL, chart.y_axis(chart.SMALL, y, "", 4), *marks, label=label, kind="small")
    scale = ", on a logarithmic scale" if one.is_log else ""
    return figure(picture, together([tag("strong", one.name), scale]), numbers)


def _along_numbers(one: Dependence, y: Axis, best: JsonValue) -> list[Content]:
    frame = chart.SMALL
    values = [float(value) for value in one.values]
    x = Axis(min(values), max(values), *frame.x, is_log=one.is_log)
    at = [x.at(value) for value in values]
    low, mean, high = ([y.at(value) for value in column] for column in (one.low, one.mean, one.high))
    return [
        chart.x_axis(frame, x, "", 4),
        _here(x, best),
        chart.band(at, low, high, kind="band"),
        chart.line(zip(at, mean, strict=True), kind="effect"),
        *_rug(at, one.counts),
    ]


def _here(x: Axis, best: JsonValue) -> Markup | None:
    """An upright line at the best trial's value; None where it has none."""
    if not isinstance(best, int | float):
        return None
    return chart.segment(x.at(best), chart.SMALL.y[0], x.at(best), chart.SMALL.y[1], kind="here")


def _along_choices(one: Dependence, y: Axis, best: JsonValue) -> list[Content]:
    frame, n = chart.SMALL, len(one.values)
    width = (frame.x[1] - frame.x[0]) / n
    at = [frame.left + width * (k + 0.5) for k in range(n)]
    names = [shown(value) for value in one.values]
    marks: list[Content] = [chart.choices_axis(frame, list(zip(at, names, strict=True)))]
    for k, value in enumerate(one.values):
        kind = "mean" if value != best else "mean best"
        marks += [
            chart.segment(at[k], y.at(one.low[k]), at[k], y.at(one.high[k]), kind="interval"),
            chart.dot(at[k], y.at(one.mean[k]), f"{names[k]}: {shown(one.mean[k])}", kind=kind, radius=5),
        ]
    return [*marks, *_rug(at, one.counts)]


def _rug(at: list[float], counts: tuple[int, ...]) -> list[Content]:
    """Bars at the bottom, as high as results are many."""
    most, bottom = max(counts, default=0) or 1, chart.SMALL.y[0]
    return [
        chart.segment(x, bottom, x, bottom - 4 - (_RUG - 8) * n / most, kind="rug")
        for x, n in zip(at, counts, strict=True)
        if n
    ]
