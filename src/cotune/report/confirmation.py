"""How the winner did when it was trained again, as `study.confirm` left it in the settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotune.records import History
from cotune.report import chart
from cotune.report.axes import axis_over
from cotune.report.markup import Content, Markup, tag, together
from cotune.report.parts import code, figure, listed, paragraph, section, table
from cotune.spelled import counted, shown


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial that was trained again. observed: its value in the search. low, high: interval of the mean of values."""

    trial: int
    observed: float
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    probability_best: float


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Candidates, the one that was chosen, and by how much the search had flattered it (optimism)."""

    objective: str
    seeds: int
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    optimism: float
    warnings: tuple[str, ...]


def confirmation_of(history: History) -> Confirmation | None:
    """What the settings hold; None if the winner was not confirmed."""
    told: Any = history.settings.get("confirmation")
    if not isinstance(told, Mapping) or not told.get("candidates"):
        return None
    candidates = tuple(
        Candidate(one["trial"], one["observed"], tuple(one["values"]), one["mean"], one["low"], one["high"],
                  one["probability_best"])
        for one in told["candidates"]
    )  # fmt: skip
    chosen = next((one for one in candidates if one.trial == told["chosen"]), candidates[0])
    return Confirmation(
        told["objective"], told["seeds"], candidates, chosen, told["optimism"], tuple(told.get("warnings", ()))
    )


def winner_of(history: History, confirmation: Confirmation | None) -> int | None:
    """The trial that was chosen when the best were trained again, or else the best of the search.

    None without a result, and with several objectives.
    """
    if len(history.objectives) > 1:
        return None
    return confirmation.chosen.trial if confirmation is not None else history.best()


def confirmed(confirmation: Confirmation | None) -> Markup:
    """The section: means with their intervals beside what the search had seen, or how to find out."""
    if confirmation is None:
        how: list[Content] = ["The winner was not confirmed. ", code("study.confirm(top=5, seeds=5)"),
               " trains the best five again with five other seeds each."]  # fmt: skip
        return section("confirmation", "Confirmation", paragraph(*how))
    chosen = confirmation.chosen
    lead: list[Content] = [
        tag("strong", f"Trial {chosen.trial}"),
        f" was chosen: {confirmation.objective} {shown(chosen.mean)}, {shown(chosen.low)} to {shown(chosen.high)}, "
        f"over {counted(confirmation.seeds, 'seed')}. The search had flattered its best by ",
        f"{shown(confirmation.optimism)}.",
    ]
    parts: list[Content] = [paragraph(*lead), listed(confirmation.warnings), _figure(confirmation)]
    return section("confirmation", "Confirmation", *parts)


def _figure(told: Confirmation) -> Markup:
    rows: list[list[Content | float]] = [
        [one.trial, one.observed, one.mean, one.low, one.high, f"{one.probability_best:.0%}", len(one.values)]
        for one in told.candidates
    ]
    columns = ["trial", "in the search", "mean", "low", "high", "best with probability", "runs"]
    numbers = table(columns, rows, caption=f"{told.objective} of the candidates, trained again")
    label = f"Intervals of {told.objective} for {counted(len(rows), 'candidate')}: " + "; ".join(
        f"trial {one.trial} {shown(one.low)} to {shown(one.high)}" for one in told.candidates
    )
    caption = "Mean and interval of every candidate over its seeds; rings are what the search had seen."
    return figure(_drawing(told, label), caption, numbers)


def _drawing(told: Confirmation, label: str) -> Markup:
    frame = chart.Frame(760, 74 + 30 * len(told.candidates), left=92, top=12, right=18, bottom=48)
    seen = [v for one in told.candidates for v in (one.observed, one.low, one.high, *one.values) if math.isfinite(v)]
    x = axis_over(seen, *frame.x)
    marks: list[Content] = [chart.x_axis(frame, x, told.objective, 7)]
    for row, one in enumerate(told.candidates):
        y = frame.top + 18 + 30 * row
        kind = "interval best" if one == told.chosen else "interval"
        marks += [
            chart.words(f"trial {one.trial}", frame.left - 10, y + 4, anchor="end"),
            chart.segment(x.at(one.low), y, x.at(one.high), y, kind=kind),
            together(chart.dot(x.at(v), y, f"a seed: {shown(v)}", kind="seed", radius=2.4) for v in one.values),
            chart.dot(x.at(one.mean), y, f"mean {shown(one.mean)}", kind="mean", radius=5),
            chart.dot(x.at(one.observed), y, f"in the search {shown(one.observed)}", kind="stopped", radius=5),
        ]
    return chart.drawing(frame, *marks, label=label)
