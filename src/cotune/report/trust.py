"""What the study's own judgement was worth: its failures, its predictions, and its early stops."""

from __future__ import annotations

from collections.abc import Mapping

from cotune.explain.calibration import Calibration, calibration
from cotune.explain.failures import FailureKind, failures
from cotune.explain.insight import Insight, Rungs
from cotune.records import CAUSES, History, State
from cotune.report.markup import Content, Markup
from cotune.report.parts import code, paragraph, section, table
from cotune.spelled import counted, first_line, shown

_SAFE, _DOUBTFUL = 0.8, 0.5
_MOST_NUMBERS = 12
_MOST_CHARACTERS = 200


def failed(history: History, *, command: str | None) -> Markup | None:
    """Failures by kind; None if there are none."""
    kinds = failures(history)
    if not kinds:
        return None
    rows: list[list[Content | float]] = [
        [len(one.trials), _cause(one), _numbers(one), first_line(one.reason, _MOST_CHARACTERS)] for one in kinds
    ]
    caption = f"{counted(sum(len(one.trials) for one in kinds), 'trial')} failed, in {counted(len(kinds), 'way')}"
    more = (
        paragraph("The last one in full: ", code(f"cotune show {command} {kinds[0].trials[-1]}"), ".")
        if command
        else None
    )
    return section("failures", "Failures", table(["trials", "cause", "which", "the last one's reason"], rows,
                                                 caption=caption), more)  # fmt: skip


def _cause(kind: FailureKind) -> str:
    meaning = CAUSES.get(kind.cause, kind.cause)
    return f"{kind.error}: {meaning}" if kind.error else f"{kind.cause}: {meaning}"


def _numbers(kind: FailureKind) -> str:
    listed = ", ".join(str(number) for number in kind.trials[:_MOST_NUMBERS])
    return f"{listed}, …" if len(kind.trials) > _MOST_NUMBERS else listed


def predictions(history: History) -> Markup | None:
    """How results compare with what was predicted; None if nothing was."""
    found = calibration(history)
    if found is None:
        return None
    return section("predictions", "Predictions", paragraph(_shares(found)), paragraph(_errors(found, history)))


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


def stopping(history: History, insights: Mapping[str, Insight]) -> Markup | None:
    """Whether trials that were stopped early would have lost; None if none was stopped."""
    rungs = next((one.rungs for one in insights.values() if one.rungs), ())
    n_left = history.count(State.STOPPED) + history.count(State.PAUSED)
    if not rungs and not n_left:
        return None
    left = f"{counted(n_left, 'trial')} ended" if n_left else "No trial ended"
    lead = paragraph(f"{left} before the last step. {_safety(rungs)}")
    rows: list[list[Content | float]] = [[one.step, one.until, float(f"{one.correlation:.2f}"), one.n] for one in rungs]
    columns = ["rung", "until", "rank correlation", "trials"]
    numbers = table(columns, rows, caption="How the order at a rung agrees with the order at the end") if rows else None
    return section("stopping", "Early stopping", lead, numbers)


def _safety(rungs: tuple[Rungs, ...]) -> str:
    if not rungs:
        return "Too few came to the end to tell whether that was safe."
    first = rungs[0]
    sign = (
        f"The order at step {first.step} agrees with that at step {first.until} to {first.correlation:.2f} "
        f"(rank correlation of {counted(first.n, 'trial')})"
    )
    if first.correlation >= _SAFE:
        return f"{sign}: stopping was safe, as far as those tell that went on."
    if first.correlation >= _DOUBTFUL:
        return f"{sign}: the best survived more likely than not, and some good ones may have been stopped."
    return f"{sign}: stopping was little better than chance. A later first rung would be safer."
