"""Trials that are evaluated by hand: what `ask` gives, and how what is told becomes an outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotune.config import Config
from cotune.errors import ReportError
from cotune.records import Event, Failed, Finished, History, Reported, State, real_number


@dataclass(frozen=True, slots=True)
class AskedTrial:
    """A trial to evaluate by hand. seed: its own, for whatever is random in it. epoch: which lease of it this is."""

    number: int
    config: Config
    seed: int
    epoch: int


def is_at_milestone(history: History, number: int, step: int) -> bool:
    """Whether a step is the one that the trial is compared at, or behind it, and not its last."""
    goal, last = history.until(number), history.steps
    return goal is not None and step >= goal and goal != last


def reported(
    history: History, number: int, epoch: int, step: int | None, metrics: Mapping[str, Any], *, is_judged: bool
) -> Reported:
    """Metrics of one step. step: None for the one after the last that was reported. Raises ReportError.

    is_judged: whether the trial is compared with others when it comes to its milestone.
    """
    if not metrics:
        raise ReportError(f"study.report(trial {number}, ...) needs at least one named metric, e.g. loss=0.3")
    known = history.step(number)
    at = known + 1 if step is None else step
    if isinstance(at, bool) or not isinstance(at, int) or at <= known:
        raise ReportError(
            f"study.report(trial {number}, step={step!r}) takes a whole number above the last step, {known}"
        )
    values = {name: [real_number(name, value)] for name, value in metrics.items()}
    goal, last = history.until(number), history.steps
    if last is not None and at > last:
        raise ReportError(f"study.report(trial {number}, step={at}) is beyond the {last} epochs that trials have")
    if is_judged and is_at_milestone(history, number, at):
        missing = [name for name in history.objectives if name not in values]
        if at != goal or missing:
            raise ReportError(
                f"trials are compared by {', '.join(history.objectives)} at step {goal}: report that one first, "
                f"study.report(trial, step={goal}, {next(iter(history.objectives))}=...)"
            )
    return Reported(number, epoch, [at], values)


def outcome_of(
    history: History, number: int, epoch: int, *, value: Any, failed: str | None, metrics: Mapping[str, Any]
) -> Event:
    """What was told, as the trial's outcome. Raises ReportError if it is none; then nothing has happened."""
    if failed is not None:
        if value is not None or metrics:
            raise ReportError(f"study.tell(trial {number}, failed=...) takes no value besides")
        return Failed(number, epoch, "reported", str(failed))
    values = _values(history, number, value, metrics)
    wild = [f"{name} = {values[name]}" for name in history.objectives if not math.isfinite(values[name])]
    if wild:
        return Failed(number, epoch, "diverged", ", ".join(wild))
    return Finished(number, epoch, history.created_steps or history.steps or 1, values)


def _values(history: History, number: int, value: Any, metrics: Mapping[str, Any]) -> dict[str, float]:
    names = list(history.objectives)
    values = {name: real_number(name, given) for name, given in metrics.items()}
    if value is not None:
        if len(names) > 1:
            raise ReportError(f"study.tell(trial {number}, {value!r}) is one value for {len(names)} objectives: "
                              f"name them, {', '.join(f'{name}=...' for name in names)}")  # fmt: skip
        values[names[0]] = real_number(names[0], value)
    missing = [name for name in names if name not in values]
    if missing:
        raise ReportError(f"study.tell(trial {number}, ...) lacks {', '.join(missing)}; or say failed='why'")
    return values


def is_told(history: History, outcome: Event) -> bool:
    """Whether the trial has exactly this outcome already."""
    match outcome:
        case Finished(number=number):
            return history.state(number) is State.DONE and history.metrics(number) == outcome.metrics
        case Failed(number=number):
            failure = history.failure(number)
            return failure is not None and (failure.cause, failure.reason) == (outcome.cause, outcome.reason)
        case _:
            return False
