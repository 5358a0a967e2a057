"""A decision record as it is read: why a trial was proposed, and what was expected of it.

The record is JSON that a strategy wrote, maybe one that is not known here. What it leaves out, or says in another form
than described below, is None or empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotune.records.events import JsonValue

EXPECTED_IMPROVEMENT = "expected improvement"
"""The `why` of a trial that a model proposed for what it expects to gain."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted, without noise: mean, and one standard deviation below and above it, low <= mean <= high."""

    mean: float
    low: float
    high: float

    def deviations(self, value: float, noise: float = 0.0) -> float | None:
        """How many standard deviations a result lies above the mean (below: negative); None where there is no width.

        noise: standard deviation that a result has besides the uncertainty of the prediction. The two sides may
        differ, as they do where results were warped before they were modelled.
        """
        side = self.high - self.mean if value >= self.mean else self.mean - self.low
        width = math.hypot(side, noise)
        return (value - self.mean) / width if width > 0 else None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Why a trial was proposed.

    strategy, why: in short words. results, pending: finished trials that were known, and those that were not finished.
    predicted: the first objective without noise, in its own units and sign; also_predicted: the others, where there are
    several, by name. expected_improvement: in the same units, >= 0. largest_improvement: the same of the config that
    promises most, where users' priors pulled to another. noise: standard deviation of what the model believes to be
    noise in the first objective. explore: share in [0, 1] of the expected improvement that comes from uncertainty, 0
    where the trial was not proposed for that. nearest: (trial number, distance) of evaluated trials. best: the best
    trial known then. promotions: why the scheduler let the trial go on, each time that it did. stop: why it gave the
    trial up. replaces, changed: of a fork, the trial whose place it took, and what differs, as (name, value in its
    parent, own value); rank, of, rung: how its parent stood then, and after which step.
    """

    strategy: str = ""
    why: str = ""
    results: int | None = None
    pending: int | None = None
    predicted: Prediction | None = None
    also_predicted: tuple[tuple[str, Prediction], ...] = ()
    expected_improvement: float | None = None
    largest_improvement: float | None = None
    noise: float | None = None
    explore: float | None = None
    nearest: tuple[tuple[int, float], ...] = ()
    best: int | None = None
    promotions: tuple[Mapping[str, JsonValue], ...] = ()
    stop: Mapping[str, JsonValue] | None = None
    replaces: int | None = None
    changed: tuple[tuple[str, JsonValue, JsonValue], ...] = ()
    rank: int | None = None
    of: int | None = None
    rung: int | None = None

    def deviations(self, result: float) -> float | None:
        """How many standard deviations a result lies above what was predicted, noise included; None if not known."""
        return self.predicted.deviations(result, self.noise or 0.0) if self.predicted else None

    @property
    def promise(self) -> float | None:
        """The largest improvement that the model expected of any config; None if it was not asked for that."""
        if self.why != EXPECTED_IMPROVEMENT:
            return None
        return self.expected_improvement if self.largest_improvement is None else self.largest_improvement


def read_decision(record: Mapping[str, JsonValue]) -> DecisionRecord:
    """What the record says.

    >>> read_decision({"strategy": "bayesian", "why": "expected improvement", "explore": "much"}).explore is None
    True
    """
    stop = record.get("stop")
    return DecisionRecord(
        strategy=str(record.get("strategy") or ""),
        why=str(record.get("why") or ""),
        results=_count(record.get("results")),
        pending=_count(record.get("pending")),
        predicted=_prediction(record.get("predicted")),
        also_predicted=_predictions(record.get("also_predicted")),
        expected_improvement=_at_least_0(record.get("expected_improvement")),
        largest_improvement=_at_least_0(record.get("largest_improvement")),
        noise=_at_least_0(record.get("noise")),
        explore=_share(record.get("explore")),
        nearest=_nearest(record.get("nearest")),
        best=_count(record.get("best")),
        promotions=_mappings(record.get("promotions")),
        stop=stop if isinstance(stop, Mapping) else None,
        replaces=_count(record.get("replaces")),
        changed=_changed(record.get("changed")),
        rank=_count(record.get("rank")),
        of=_count(record.get("of")),
        rung=_count(record.get("rung")),
    )


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _at_least_0(value: Any) -> float | None:
    number = _real(value)
    return number if number is not None and number >= 0 else None


def _share(value: Any) -> float | None:
    number = _real(value)
    return number if number is not None and 0 <= number <= 1 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _predictions(value: Any) -> tuple[tuple[str, Prediction], ...]:
    if not isinstance(value, Mapping):
        return ()
    return tuple((str(name), one) for name, item in value.items() if (one := _prediction(item)) is not None)


def _prediction(value: Any) -> Prediction | None:
    if not isinstance(value, Mapping):
        return None
    mean, low, high = (_real(value.get(name)) for name in ("mean", "low", "high"))
    if mean is None or low is None or high is None or not low <= mean <= high:
        return None
    return Prediction(mean, low, high)


def _nearest(value: Any) -> tuple[tuple[int, float], ...]:
    pairs = [pair for pair in value if isinstance(pair, list | tuple) and len(pair) == 2] if _is_list(value) else []
    read = [(_count(number), _at_least_0(distance)) for number, distance in pairs]
    return tuple((number, distance) for number, distance in read if number is not None and distance is not None)


def _changed(value: Any) -> tuple[tuple[str, JsonValue, JsonValue], ...]:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return tuple((str(name), *pair) for name, pair in pairs if _is_list(pair) and len(pair) == 2)


def _mappings(value: Any) -> tuple[Mapping[str, JsonValue], ...]:
    return tuple(item for item in value if isinstance(item, Mapping)) if _is_list(value) else ()


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
