"""What failed, and whether it was safe to stop trials early."""

from __future__ import annotations

from collections.abc import Mapping

from cotune.explain.failures import FailureKind, failures
from cotune.explain.insight import DOUBTFUL, SAFE, Insight, Rungs
from cotune.records import CAUSES, History, State
from cotune.report.markup import Content, Markup
from cotune.report.parts import code, paragraph, section, table
from cotune.spelled import counted, first_line

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


def stopping(history: History, insights: Mapping[str, Insight]) -> Markup | None:
    """Whether trials that were stopped early would have lost; None if none was stopped."""
    rungs = next((one.rungs for one in insights.values() if one.rungs), ())
    n_left = history.count(State.STOPPED) + history.count(State.PAUSED)
    if not rungs and not n_left:
        return None
    if not n_left:
        return section("stopping", "Early stopping", paragraph("No trial ended before the last step."))
    lead = paragraph(f"{counted(n_left, 'trial')} ended before the last step. {_safety(rungs)}")
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
    if first.correlation >= SAFE:
        return f"{sign}: stopping was safe, as far as those tell that went on."
    if first.correlation >= DOUBTFUL:
        return f"{sign}: the best survived more likely than not, and some good ones may have been stopped."
    return f"{sign}: stopping was little better than chance. A later first rung would be safer."
