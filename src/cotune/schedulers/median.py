"""Stopping what is worse than half of the others were at the same step."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean, median

from cotune.records import Action, Arrival, Draw, History, JsonValue, Resume, Stop, Suggestion, whole_number
from cotune.records.following import Follower, followed
from cotune.schedulers.unfinished import require_one_objective, unfinished, unstopped


class _Averages(Follower):
    """What the losses of trials averaged, by milestone and in order."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.at: dict[int, list[float]] = {}

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""
        losses = [] if arrival.has_failed else _known(self.history, arrival.number, arrival.step)
        if losses:
            insort(self.at.setdefault(arrival.step, []), fmean(losses))


@dataclass(frozen=True)
class MedianStopping:
    """A trial is stopped when its best loss so far is above the median of what the others' losses averaged until then
    (Golovin et al. 2017, "Google Vizier", section 3.2.2). Every trial that is not stopped trains to its end.

    grace: the first step at which a trial may be stopped. every: steps between two decisions; None: a tenth of all.
    least: so many other trials must have come as far.
    """

    grace: int = 1
    every: int | None = None
    least: int = 5
    _cache: list[_Averages] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole_number("MedianStopping(grace=", self.grace)
        whole_number("MedianStopping(least=", self.least)
        if self.every is not None:
            whole_number("MedianStopping(every=", self.every)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Stop or resume what is paused, by number; free slots get new trials."""
        require_one_objective(history, "median")
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        averages, last = followed(self._cache, history, lambda: _Averages(history)), history.steps
        return unstopped(
            history, slots, suggest,
            reason=lambda number: self._reason(number, averages), ahead=lambda _config, step: self._next(step, last),
        )  # fmt: skip

    def judge(self, history: History, number: int, step: int) -> Resume | Stop:
        """What becomes of a trial that cannot pause: the same, judged before it is counted."""
        assert history.steps is not None, "without a last step there are no milestones"
        averages = followed(self._cache, history, lambda: _Averages(history))
        reason = self._reason(number, averages, is_counted=False)
        return Resume(number, self._next(step, history.steps)) if reason is None else Stop(number, reason)

    def outline(self, steps: int) -> str:
        """When trials are judged, in words."""
        return f"judged every {self._interval(steps)} epochs from epoch {self._next(0, steps)} on"

    def _interval(self, steps: int) -> int:
        return self.every or max(1, steps // 10)

    def _next(self, step: int, last: int) -> int:
        """The next milestone behind a step."""
        ahead = self.grace if step < self.grace else step + self._interval(last)
        return min(ahead, last)

    def _reason(self, number: int, averages: _Averages, *, is_counted: bool = True) -> dict[str, JsonValue] | None:
        """Why a trial is stopped; None if it goes on. is_counted: whether it is among those that came so far."""
        step = averages.history.step(number)
        losses = _known(averages.history, number, step)
        others = averages.at.get(step, [])
        if len(others) - (is_counted and bool(losses)) < self.least:
            return None
        best, threshold = min(losses, default=math.inf), median(others)
        if best <= threshold:
            return None
        why = "its best is worse than the median of the others' averages"
        value_of = averages.history.value_of
        record: dict[str, JsonValue] = {"why": why, "rung": step, "of": len(others), "threshold": value_of(threshold)}
        return record if math.isinf(best) else {**record, "best": value_of(best)}


def _known(history: History, number: int, step: int) -> list[float]:
    """Losses in the first objective, at every step up to one that has a loss."""
    return [loss for loss in history.loss_curve(number, step) if not math.isnan(loss)]
