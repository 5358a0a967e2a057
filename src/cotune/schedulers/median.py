"""Stopping what is worse than half of the others were at the same step."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from cotune.errors import StudyError
from cotune.records import Action, Draw, History, JsonValue, Resume, Start, Stop, Suggestion
from cotune.schedulers.rungs import require_whole
from cotune.schedulers.unfinished import unfinished


@dataclass
class _Seen:
    """Running averages of trials by milestone, in order; all of it can be computed again."""

    history: History
    averages: dict[int, list[float]] = field(default_factory=dict)
    n_read: int = 0


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
    _cache: list[_Seen] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole("MedianStopping(grace=", self.grace, 1)
        require_whole("MedianStopping(least=", self.least, 1)
        if self.every is not None:
            require_whole("MedianStopping(every=", self.every, 1)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Stop or resume what is paused, by number; free slots get new trials."""
        if len(history.objectives) > 1:
            raise StudyError(
                f"scheduler='median' compares one objective, the study has {len(history.objectives)}. "
                "Use scheduler='asha', which ranks several."
            )
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        seen = self._seen(history)
        actions = list[Action]()
        n_going = 0
        for number in sorted(history.waiting | history.paused):
            reason = self._reason(number, seen) if number in history.paused else None
            if reason is not None:
                actions.append(Stop(number, reason))
            elif n_going < slots:
                until = history.until(number) if number in history.waiting else None
                actions.append(Resume(number, until or self._next(history.step(number), history.steps)))
                n_going += 1
        if n_going < slots:
            actions += [Start(one, self._next(0, history.steps)) for one in suggest(slots - n_going)]
        return actions

    def outline(self, steps: int) -> str:
        """When trials are judged, in words."""
        return f"judged every {self._interval(steps)} epochs from epoch {self._next(0, steps)} on"

    def _interval(self, steps: int) -> int:
        return self.every or max(1, steps // 10)

    def _next(self, step: int, last: int) -> int:
        """The next milestone behind a step."""
        ahead = self.grace if step < self.grace else step + self._interval(last)
        return min(ahead, last)

    def _seen(self, history: History) -> _Seen:
        seen = self._cache[0] if self._cache else None
        if seen is None or seen.history is not history:
            seen = _Seen(history)
            self._cache[:] = [seen]
        for number, step, has_failed in history.arrivals[seen.n_read :]:
            average = math.nan if has_failed else _mean(_losses(history, number, step))
            if not math.isnan(average):
                insort(seen.averages.setdefault(step, []), average)
        seen.n_read = len(history.arrivals)
        return seen

    def _reason(self, number: int, seen: _Seen) -> dict[str, JsonValue] | None:
        """Why a paused trial is stopped; None if it goes on."""
        step = seen.history.step(number)
        losses = [loss for loss in _losses(seen.history, number, step) if not math.isnan(loss)]
        others = seen.averages.get(step, [])
        if len(others) - bool(losses) < self.least:  # its own average is among them
            return None
        best, median = min(losses, default=math.inf), _median(others)
        if best <= median:
            return None
        why = "its best loss is above the median of the others' averages"
        record: dict[str, JsonValue] = {"why": why, "rung": step, "of": len(others), "threshold": median}
        return record if math.isinf(best) else {**record, "best": best}


def _losses(history: History, number: int, step: int) -> list[float]:
    """Of the first objective, at every step that was reported up to one."""
    name, up = next(iter(history.objectives.items()))
    return [-value if up else value for value in history.curve(number, name, step)]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _median(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
