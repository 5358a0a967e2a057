"""How much each parameter matters, alone and together with others."""

from __future__ import annotations

from collections.abc import Mapping

from cotune.explain.insight import Importance, Insight, Interaction, Share
from cotune.report import chart
from cotune.report.axes import Axis
from cotune.report.markup import Content, Markup, tag, together
from cotune.report.parts import figure, key, listed, paragraph, section, table
from cotune.spelled import cut

_MOST_BARS = 20
_ROW = 34.0
_SMALLEST = 0.005
"""An interaction is listed from this share of the variance on."""


def importance(insights: Mapping[str, Insight]) -> Markup:
    """How much of the objective's variance each parameter explains, and what could not be said."""
    return section("importance", "Importance", *[_importance(one, len(insights) > 1) for one in insights.values()])


def _importance(insight: Insight, is_named: bool) -> Markup:
    heading = tag("h3", insight.objective) if is_named else None
    ranked = sorted(insight.importance.values(), key=lambda one: -one.total.value)
    notes = listed(insight.notes)
    if not ranked:
        nothing = None if insight.notes else paragraph("There are too few results to tell what mattered.")
        return together([heading, notes, nothing])
    caption = together([
        f"Share of the variance of {insight.objective} that each parameter explains: alone, and with all its "
        f"interactions, with 90 % intervals.{_worth(insight)}",
        key(("bar first", "alone"), ("bar total", "with interactions")),
    ])  # fmt: skip
    label = "Importance: " + ", ".join(f"{one.name} {one.total.value:.0%}" for one in ranked[:_MOST_BARS])
    drawn = figure(_bars(ranked[:_MOST_BARS], label), caption, _shares(ranked))
    return together([heading, drawn, notes, _interactions(insight.interactions)])


def _worth(insight: Insight) -> str:
    if insight.explained is None:
        return ""
    return f" The model behind it explains {max(insight.explained, 0):.0%} of the variance of results that it left out."


def _bars(ranked: list[Importance], label: str) -> Markup:
    frame = chart.Frame(760, 66 + _ROW * len(ranked), left=150, top=8, right=64, bottom=48)
    top = max(max(one.total.value, one.total.high) for one in ranked)
    x = Axis(0.0, min(max(top, 0.05), 1.0) * 100, *frame.x)
    marks: list[Content] = [chart.x_axis(frame, x, "share of the variance (%)", 6)]
    for row, one in enumerate(ranked):
        marks.append(_bar(one, frame, x, frame.top + _ROW * row + 6))
    return chart.drawing(frame, *marks, label=label)


def _bar(one: Importance, frame: chart.Frame, x: Axis, y: float) -> Markup:
    parts = [
        chart.words(cut(one.name, 20), frame.left - 10, y + 15, kind="name", anchor="end"),
        _box(x, one.total.value, y, 20, "bar total", f"{one.name}, with interactions: {_percent(one.total)}"),
        _box(x, one.first.value, y + 5, 10, "bar first", f"{one.name}, alone: {_percent(one.first)}"),
        chart.segment(x.at(100 * one.total.low), y + 10, x.at(100 * one.total.high), y + 10, kind="whisker"),
        chart.words(f"{one.total.value:.0%}", max(x.at(100 * one.total.high), x.at(0)) + 8, y + 15, kind="value"),
    ]
    return together(parts)


def _box(x: Axis, share: float, y: float, height: float, kind: str, told: str) -> Markup:
    width = max(x.at(100 * share) - x.at(0), 0.0)
    return tag("rect", tag("title", told), class_=kind, x=x.at(0), y=y, width=width, height=height, rx=2)


def _shares(ranked: list[Importance]) -> Markup:
    columns = ["parameter", "alone", "interval", "with interactions", "interval", "for the top 10 %"]
    rows = [
        [one.name, f"{one.first.value:.1%}", _between(one.first), f"{one.total.value:.1%}", _between(one.total),
         "" if one.top is None else f"{one.top:.1%}"]
        for one in ranked
    ]  # fmt: skip
    return table(columns, rows, caption="Shares of the variance; the last column: for being among the best tenth")


def _percent(share: Share) -> str:
    return f"{share.value:.1%} ({_between(share)})"


def _between(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}"


def _interactions(found: tuple[Interaction, ...]) -> Markup | None:
    large = [one for one in found if one.share.value >= _SMALLEST]
    if not large:
        return None
    rows = [[one.first, one.second, f"{one.share.value:.1%}", _between(one.share)] for one in large]
    caption = "What two parameters do together that neither does alone, from 0.5 % on"
    told = table(["parameter", "and", "share", "interval"], rows, caption=caption)
    return together([tag("h3", "Interactions"), told])
