"""Folds as a race: a trial that does worse on its first folds than the best one on any does not train the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from cotune.config import Config
from cotune.records import Action, Arrival, Draw, History, JsonValue, Resume, Stop, Suggestion, steps_of_fold
from cotune.records.following import Follower, followed
from cotune.schedulers.rungs import require_reported
from cotune.schedulers.unfinished import require_one_objective, unfinished, unstopped

_ROUNDING = 1e-9
"""A fold's loss comes from two means: what is worse by no more than this share of them may be equal."""


class _Incumbent(Follower):
    """The best trial of those that trained all their folds. worst: its highest loss on a single one."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.number: int | None = None
        self.worst = self._loss = math.inf

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival. Ties go to the trial that came first."""
        number, step, has_failed = arrival
        if has_failed:
            return
        if self.number is None:
            require_reported(arrival, self.history)
        loss = self.history.losses(number, step)[0]
        if self.history.has_finished(number, step) and (self.number is None or loss < self._loss):
            self.number, self._loss, self.worst = number, loss, _worst_fold(self.history, number)


@dataclass(frozen=True)
class Race:
    """Folds train one after another, and a trial is stopped after one when its mean over the folds so far is worse than
    the worst single fold of the incumbent, the best trial that trained all of its folds (Bergman, Purucker & Hutter
    2024, "Don't waste your time: early stopping cross-validation", the forgiving rule). Every other trial trains all
    its folds, and nobody is stopped before there is an incumbent.

    For a task with `ct.KFold(race=True)` or `ct.TimeSeries(race=True)`, and for a function that reports after every
    fold, one step each, the mean over its folds so far.
    """

    _cache: list[_Incumbent] = field(default_factory=list, init=False, repr=False, compare=False)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Stop or resume what is paused, by number; free slots get new trials."""
        require_one_objective(history, "race")
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        incumbent = followed(self._cache, history, lambda: _Incumbent(history))
        return unstopped(
            history, slots, suggest,
            reason=lambda number: _reason(number, history.step(number), incumbent),
            ahead=lambda config, step: _next(history, config, step),
        )  # fmt: skip

    def judge(self, history: History, number: int, step: int) -> Resume | Stop:
        """What becomes of a trial that cannot pause: the same."""
        reason = _reason(number, step, followed(self._cache, history, lambda: _Incumbent(history)))
        return Resume(number, _next(history, history.config(number), step)) if reason is None else Stop(number, reason)

    def outline(self, steps: int) -> str:
        """When trials are judged, in words."""
        return "judged after every fold, by the worst one of the best trial"


def _next(history: History, config: Config, step: int) -> int:
    """The end of the fold behind a step; that of the last one is the last step, also of a trial that has fewer."""
    assert history.steps is not None, "without a last step there are no milestones"
    own = steps_of_fold(history, config)
    n_folds = history.steps // steps_of_fold(history, Config({}))
    fold = step // own + 1
    return fold * own if fold < n_folds else history.steps


def _reason(number: int, step: int, incumbent: _Incumbent) -> dict[str, JsonValue] | None:
    """Why a trial is stopped; None if it goes on, or is amid a fold."""
    history = incumbent.history
    own = steps_of_fold(history, history.config(number))
    if incumbent.number is None or step == 0 or step % own:
        return None
    loss = history.losses(number, step)[0]
    if loss <= incumbent.worst + _ROUNDING * abs(incumbent.worst):
        return None
    record: dict[str, JsonValue] = {
        "why": "its mean is worse than the worst fold of the best trial", "rung": step, "fold": step // own,
        "incumbent": incumbent.number, "threshold": history.value_of(incumbent.worst),
    }  # fmt: skip
    return {**record, "mean": history.value_of(loss)} if math.isfinite(loss) else record


def _worst_fold(history: History, number: int) -> float:
    """A trial's highest loss on one of its folds: k means of so many add up to one fold more than the k - 1 before."""
    own, last = steps_of_fold(history, history.config(number)), history.step(number)
    means = [history.losses(number, step)[0] for step in range(own, last + 1, own)]
    sums = [0.0, *(k * mean for k, mean in enumerate(means, start=1))]
    folds = [after - before for before, after in zip(sums, sums[1:], strict=False)]
    known = [loss for loss in folds if math.isfinite(loss)]
    return max(known, default=history.losses(number, last)[0])
