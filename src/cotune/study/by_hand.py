"""Asking and telling: how trials that are evaluated by hand are leased, reported and ended in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotune.errors import StudyError
from cotune.records import Enqueued, History, Resumed, Started
from cotune.schedulers import PBT
from cotune.seeds import Purpose, integer
from cotune.study.arguments import checked_number
from cotune.study.asked import AskedTrial, is_at_milestone, is_told, outcome_of, reported
from cotune.study.log import Log
from cotune.study.planner import Planner, judge


def ask(log: Log, planner: Planner, slots: int) -> list[AskedTrial]:
    """The next trials, at most `slots` and at least one. Raises StudyError when nothing is left to try."""
    if isinstance(planner.scheduler, PBT):
        raise StudyError(
            "scheduler='pbt' copies the states of trials, and those that are asked by hand leave none. "
            "Use 'asha' or 'median' with study.report, or 'none'."
        )
    events = log.decide(lambda history: planner.plan(history, slots, log.worker, pausable=False))
    asked = [_asked(log.history, event.number) for event in events if isinstance(event, Started | Resumed)]
    if not asked:
        raise StudyError("there is nothing left to ask: the strategy has proposed every configuration it has")
    return asked


def report(
    log: Log, planner: Planner, trial: AskedTrial | int, *, step: int | None, metrics: Mapping[str, float]
) -> bool:
    """Log metrics of a step (None: the next one); False when the trial shall not go on.

    Raises ReportError if this is no report, LeaseLost if the trial has an outcome or another worker.
    """
    history = log.refresh()
    number, epoch = _lease_of(trial, "report", history)
    log.require_lease(number, epoch)
    is_judged = planner.judge is not None
    point = reported(history, number, epoch, step, metrics, is_judged=is_judged)
    at = point.steps[-1]
    is_due = is_judged and is_at_milestone(history, number, at)
    log.record([point])
    return not is_due or judge(log, planner, number, epoch, at) is not None


def tell(
    log: Log, trial: AskedTrial | int, *, value: float | None, failed: str | None, metrics: Mapping[str, float]
) -> None:
    """Log a trial's outcome, unless it has this very one. Raises ReportError if it is none, LeaseLost as `report`."""
    history = log.refresh()
    number, epoch = _lease_of(trial, "tell", history)
    outcome = outcome_of(history, number, epoch, value=value, failed=failed, metrics=metrics)
    if not is_told(history, outcome):
        log.record([outcome])


def enqueue(log: Log, config: Mapping[str, Any]) -> int:
    """The number of the trial that tries a configuration, which is queued if it was not before.

    Raises ConfigError for a configuration that does not belong to the space.
    """
    history = log.refresh()
    complete = history.space.complete(config)
    for number in range(len(history)):
        if history.strategy(number) == "enqueued" and history.config(number) == complete:
            return number
    (event,) = log.decide(lambda history: [Enqueued(len(history), dict(complete))])
    assert event.number is not None
    return event.number


def _asked(history: History, number: int) -> AskedTrial:
    seed = integer(history.seed, Purpose.TRIAL, number)
    return AskedTrial(number, history.config(number), seed, history.epoch(number))


def _lease_of(trial: AskedTrial | int, call: str, history: History) -> tuple[int, int]:
    """(number, lease) of a trial that was asked."""
    number = checked_number(trial, getattr(trial, "number", trial), call)
    if not 0 <= number < len(history):
        raise StudyError(f"study.{call}({number}, ...): there is no trial {number}; the study has {len(history)}")
    return number, history.epoch(number) if isinstance(trial, int) else trial.epoch
