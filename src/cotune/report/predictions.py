"""How results compare with what was predicted of them."""

from __future__ import annotations

from cotune.explain.calibration import Calibration, calibration
from cotune.explain.decisions import result
from cotune.records import History, read_decision
from cotune.report import chart
from cotune.report.axes import axis_of_most
from cotune.report.markup import Content, Markup
from cotune.report.parts import figure, paragraph, section, table
from cotune.spelled import counted, shown

_MOST_POINTS = 500


def predictions(history: History) -> Markup | None:
    """How results compare with what was predicted; None if nothing was."""
    found = calibration(history)
    if found is None:
        return None
    told = paragraph(_shares(found)), paragraph(_errors(found, history))
    return section("predictions", "Predictions", *told, _figure(history))


def _shares(found: Calibration) -> str:
    if found.within_one is None or found.within_two is None:
        return f"{counted(found.n, 'result')} had been predicted, without saying how certainly."
    return (
        f"Of {counted(found.n_judged, 'result')} that had been predicted, {found.within_one:.0%} came within one "
        f"standard deviation and {found.within_two:.0%} within two; 68% and 95% where a model judges itself rightly. "
        f"{_judgement(found.within_two, found.n_judged)}"
    )


def _judgement(within_two: float, n: int) -> str:
    if n < 10:
        return "These are too few to judge it."
    if within_two < 0.85:
        return "The model was surer of itself than it should have been."
    return "The model knew well how much it did not know."


def _errors(found: Calibration, history: History) -> str:
    side = "above" if found.bias > 0 else "below"
    return (
        f"Predictions of {next(iter(history.objectives))} were off by {shown(found.mean_error)} on average; results "
        f"came {shown(abs(found.bias))} {side} them on average."
    )


def _figure(history: History) -> Markup:
    """The latest results over their predictions."""
    objective, maximise = next(iter(history.objectives.items()))
    pairs = _pairs(history)[-_MOST_POINTS:]
    rows = [[number, predicted, value] for number, predicted, value in pairs]
    numbers = table(["trial", "predicted", "result"], rows[-50:], caption="The latest predictions and their results")
    label = f"Results of {objective} over their predictions, for {counted(len(pairs), 'trial')}"
    caption = (
        "On the line, a result is as predicted; one beyond the edge is drawn on it. Trials that were stopped early lie "
        "where they were left."
    )
    return figure(_drawing(pairs, objective, maximise, label), caption, numbers)


def _pairs(history: History) -> list[tuple[int, float, float]]:
    """(trial, predicted mean, result) of all that have both."""
    found = list[tuple[int, float, float]]()
    for number in range(len(history)):
        predicted, value = read_decision(history.decision(number)).predicted, result(history, number)
        if predicted is not None and value is not None:
            found.append((number, predicted.mean, value))
    return found


def _drawing(pairs: list[tuple[int, float, float]], objective: str, maximise: bool, label: str) -> Markup:
    frame = chart.WIDE
    x = axis_of_most([predicted for _, predicted, _ in pairs], *frame.x, maximise=maximise)
    y = axis_of_most([value for _, _, value in pairs], *frame.y, maximise=maximise)
    low, high = max(x.low, y.low), min(x.high, y.high)
    dots = [
        chart.dot(x.at(predicted), y.at(value), f"trial {number}: predicted {shown(predicted)}, came {shown(value)}",
                  kind="done")
        for number, predicted, value in pairs
    ]  # fmt: skip
    same = chart.segment(x.at(low), y.at(low), x.at(high), y.at(high), kind="here") if low < high else None
    marks: list[Content] = [chart.grid(frame, x, y, x_title=f"predicted {objective}", y_title="result"), same, *dots]
    return chart.drawing(frame, *marks, label=label)
