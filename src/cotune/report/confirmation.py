"""How the winner did when it was trained again, as `study.confirm` left it in the settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cotune.explain.confirmation import Candidate, Confirmation
from cotune.report import chart
from cotune.report.axes import axis_over
from cotune.report.markup import Content, Markup, tag, together
from cotune.report.parts import code, figure, listed, paragraph, section, table
from cotune.spelled import counted, shown


def flattery(told: Confirmation) -> str:
    """By how much the best result of the search was better than its trial is, in a sentence."""
    if told.optimism > 0:
        return f"The search had flattered its best by {shown(told.optimism)}."
    return "The search had not flattered its best."


def confirmed(confirmation: Confirmation | None) -> Markup:
    """The section: means with their intervals beside what the search had seen, or how to find out."""
    if confirmation is None:
        how: list[Content] = ["The winner was not confirmed. ", code("study.confirm(top=5, seeds=5)"),
               " trains the best five again with five other seeds each."]  # fmt: skip
        return section("confirmation", "Confirmation", paragraph(*how))
    chosen = confirmation.best
    lead: list[Content] = [
        tag("strong", f"Trial {chosen.trial}"),
        f" was chosen: {confirmation.objective} {shown(chosen.mean)} on average ({confirmation.trainings}). One more "
        f"training scores between {shown(chosen.low)} and {shown(chosen.high)} on as many new samples, with 95 %. "
        f"{flattery(confirmation)}",
    ]
    parts: list[Content] = [paragraph(*lead), listed(confirmation.warnings), _figure(confirmation)]
    return section("confirmation", "Confirmation", *parts)


def _figure(told: Confirmation) -> Markup:
    each = told.compared
    rows: list[list[Content | float]] = [
        [_name(one), one.observed, one.mean, one.low, one.high,
         "" if one.trial is None else f"{one.probability_best:.0%}", len(one.values)]
        for one in each
    ]  # fmt: skip
    columns = ["trial", "in the search", "mean", "low", "high", "best with probability", "trainings"]
    numbers = table(columns, rows, caption=f"{told.objective} of the candidates, trained again")
    label = f"Intervals of {told.objective} for {counted(len(rows), 'configuration')}: " + "; ".join(
        f"{_name(one)} {shown(one.low)} to {shown(one.high)}" for one in each
    )
    caption = "Mean, and where a score on new samples lies with 95 %; rings are what the search had seen."
    return figure(_drawing(told, each, label), caption, numbers)


def _name(one: Candidate) -> str:
    return "default" if one.trial is None else f"trial {one.trial}"


def _drawing(told: Confirmation, each: Sequence[Candidate], label: str) -> Markup:
    frame = chart.Frame(760, 74 + 30 * len(each), left=92, top=12, right=18, bottom=48)
    seen = [v for one in each for v in (one.observed, one.low, one.high, *one.values) if math.isfinite(v)]
    x = axis_over(seen, *frame.x)
    marks: list[Content] = [chart.x_axis(frame, x, told.objective, 7)]
    for row, one in enumerate(each):
        y = frame.top + 18 + 30 * row
        kind = "interval best" if one == told.best else "interval"
        marks += [
            chart.words(_name(one), frame.left - 10, y + 4, anchor="end"),
            chart.segment(x.at(one.low), y, x.at(one.high), y, kind=kind) if math.isfinite(one.low) else "",
            together(chart.dot(x.at(v), y, f"a seed: {shown(v)}", kind="seed", radius=2.4) for v in one.values),
        ]
        if math.isfinite(one.mean):
            marks.append(chart.dot(x.at(one.mean), y, f"mean {shown(one.mean)}", kind="mean", radius=5))
        if math.isfinite(one.observed):
            seen_at = f"in the search {shown(one.observed)}"
            marks.append(chart.dot(x.at(one.observed), y, seen_at, kind="stopped", radius=5))
    return chart.drawing(frame, *marks, label=label)
