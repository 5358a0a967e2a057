"""When a search ends before its budget is spent: what its user said, and why it has come to that.

Whether a search has ended is a function of the history alone, so every worker and every reader finds the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cotune.records import DecisionRecord, History, JsonValue, read_decision
from cotune.spelled import shown

RESULTS = 20
"""With fewer results than this a model's expectation ends nothing."""
TIMES = 3
"""So often in a row the model must have expected too little."""
EXHAUSTED = "exhausted"
"""The setting that says after how many trials the strategy had nothing more to propose."""
PATIENCE = 30
"""The patience of stop="auto" where no model says what it expects."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a search ends; a search without any of it ends with its budget.

    targets: objective -> value, in its own units; a trial that is at least as good in all of them ends the search.
    patience: so many trials that came to a milestone or an outcome without a new best end it. is_auto: it ends when the
    model expects no more than the noise, or than `tolerance` where that is larger.
    """

    targets: Mapping[str, float] = field(default_factory=dict)
    patience: int | None = None
    is_auto: bool = False
    tolerance: float | None = None

    def to_json(self) -> JsonValue:
        """What `optimize` was told, by the names of its arguments; None if nothing was."""
        told = {
            "stop": "auto" if self.is_auto else None,
            "tolerance": self.tolerance,
            "target": dict(self.targets) or None,
            "patience": self.patience,
        }
        return {name: value for name, value in told.items() if value is not None} or None

    @classmethod
    def from_json(cls, told: JsonValue) -> Stopping:
        """What `to_json` gave."""
        told = told or {}
        return cls(told.get("target") or {}, told.get("patience"), told.get("stop") == "auto", told.get("tolerance"))


def why_ended(history: History, stopping: Stopping) -> str | None:
    """Why no new trial shall begin, in words; None while the search goes on.

    A trial that was still running may bring a new best; then a patience that was exhausted is so no more.
    """
    if stopping.targets and (words := _reached(history, stopping.targets)):
        return words
    if stopping.is_auto and (words := _expects_little(history, stopping.tolerance or 0.0)):
        return words
    if stopping.patience is not None and _is_stale(history, stopping.patience):
        return f"{_trials(stopping.patience)} without a better one"
    return None


def end_in_words(history: History, stopping: Stopping) -> str | None:
    """Why a search is at an end before its budget; None if it is not."""
    is_exhausted = history.settings.get(EXHAUSTED) == len(history)
    return why_ended(history, stopping) or ("there is nothing left to try" if is_exhausted else None)


def _reached(history: History, targets: Mapping[str, float]) -> str | None:
    """The first trial that is as good as wanted, among those that the best is chosen from."""
    names = list(history.objectives)
    columns = [names.index(name) for name in targets]
    limits = [-value if history.objectives[name] else value for name, value in targets.items()]
    good = np.flatnonzero(np.all(history.y[:, columns] <= limits, axis=1))
    winners = frozenset(good.tolist()) & frozenset(history.contenders()) if len(good) else frozenset()
    for number in [*history.outcomes, *sorted(history.paused)] if winners else ():
        if number in winners:
            metrics = history.metrics(number)
            came = ", ".join(f"{name} {shown(metrics[name])} (target {shown(targets[name])})" for name in targets)
            return f"trial {number} reached the target: {came}"
    return None


def _is_stale(history: History, patience: int) -> bool:
    """Whether so many trials have come to a milestone or an outcome since the best came to where it stands.

    With several objectives: since the last one joined the front.
    """
    leaders, last = _leaders(history), -1
    first: dict[int, int] = {}
    for place, (number, _, _) in enumerate(history.arrivals):
        first.setdefault(number, place)
        if number in leaders:
            last = place
    return sum(place > last for place in first.values()) >= patience


def _leaders(history: History) -> frozenset[int]:
    """The best, or the front; of trials that are equal in every objective only the first."""
    first: dict[tuple[float, ...], int] = {}
    for number in history.front():
        first.setdefault(tuple(history.y[number]), number)
    return frozenset(first.values())


def _expects_little(history: History, tolerance: float) -> str | None:
    """Why there is little to expect, from the model, or without one from the last trials."""
    if not _has_model(history):
        if not _is_stale(history, PATIENCE):
            return None
        return f'{_trials(PATIENCE)} without a better one (stop="auto", where no model says what to expect)'
    views = _last_views(history)
    if int(np.count_nonzero(~np.isnan(history.y).any(axis=1))) < RESULTS or len(views) < TIMES:
        return None
    limits = [max(view.noise or 0.0, tolerance) for view in views]
    expected = [view.promise or 0.0 for view in views]
    if any(gain > limit for gain, limit in zip(expected, limits, strict=True)):
        return None
    what = "noise" if (views[0].noise or 0.0) >= tolerance else "tolerance"
    return (
        f"{TIMES} times in a row the expected improvement was at most the {what} "
        f"({shown(expected[0])} of {shown(limits[0])})"
    )


def _has_model(history: History) -> bool:
    """Whether expected improvement, in units of the one objective, was what the last trials were proposed for."""
    if len(history.objectives) > 1:
        return False
    last = range(max(0, len(history) - PATIENCE), len(history))
    return any(read_decision(history.decision(n)).promise is not None for n in last)


def _last_views(history: History) -> list[DecisionRecord]:
    """What the model expected from the best config, the last times that it knew new results; latest first.

    Of several configs that were proposed with the same results known only the most promising counts: the others were
    proposed on top of it.
    """
    views: dict[int, DecisionRecord] = {}
    for number in reversed(range(len(history))):
        record = read_decision(history.decision(number))
        if record.promise is None:
            continue
        known = -1 - number if record.results is None else record.results
        if known not in views and len(views) == TIMES:
            break
        views[known] = max(views.get(known, record), record, key=lambda view: view.promise or 0.0)
    return list(views.values())


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"
