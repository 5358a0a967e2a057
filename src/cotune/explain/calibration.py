"""How good the predictions of a study were, and how it chose over time: pure functions of the history."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from cotune.explain.decisions import result
from cotune.records import DecisionRecord, History, read_decision

_PERIODS = 4


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predictions against results, over all trials that have both.

    within_one, within_two: shares in [0, 1] of the `n_judged` results whose prediction has a width, that lie at most
    one or two standard deviations off, noise included; 0.68 and 0.95 for normal errors that were rightly judged.
    mean_error: mean of |result - predicted mean|. bias: mean of result - predicted mean. Both in the first objective's
    units.
    """

    n: int
    n_judged: int
    within_one: float | None
    within_two: float | None
    mean_error: float
    bias: float


@dataclass(frozen=True, slots=True)
class Period:
    """Trials `first` to `last`, of which n say how much of their expected improvement came from uncertainty."""

    first: int
    last: int
    n: int
    explore: float


@dataclass(frozen=True, slots=True)
class Choices:
    """How a study chose: name of strategy -> number of trials that it proposed, and exploration over time."""

    strategies: dict[str, int]
    periods: tuple[Period, ...]


def calibration(history: History) -> Calibration | None:
    """How the results compare with what was predicted; None if no trial has both."""
    pairs = [(record, record.predicted.mean, value) for record, value in _results(history) if record.predicted]
    if not pairs:
        return None
    off = [abs(deviations) for record, _, value in pairs if (deviations := record.deviations(value)) is not None]
    errors = [value - mean for _, mean, value in pairs]
    return Calibration(
        n=len(pairs),
        n_judged=len(off),
        within_one=_share(d <= 1 for d in off) if off else None,
        within_two=_share(d <= 2 for d in off) if off else None,
        mean_error=_mean([abs(error) for error in errors]),
        bias=_mean(errors),
    )


def choices(history: History) -> Choices:
    """Who proposed how many trials, and how much of it was exploring, in up to four periods of equal length."""
    records = [read_decision(history.decision(number)) for number in range(len(history))]
    told = [(number, record.explore) for number, record in enumerate(records) if record.explore is not None]
    return Choices(
        strategies=dict(Counter(record.strategy for record in records).most_common()),
        periods=tuple(_period(part) for part in _parts(told)),
    )


def _results(history: History) -> Iterable[tuple[DecisionRecord, float]]:
    for number in range(len(history)):
        value = result(history, number)
        if value is not None:
            yield read_decision(history.decision(number)), value


def _parts(told: Sequence[tuple[int, float]]) -> list[Sequence[tuple[int, float]]]:
    """The list in up to four parts whose lengths differ by at most one."""
    n_parts = min(_PERIODS, len(told))
    bounds = [len(told) * part // n_parts for part in range(n_parts + 1)] if n_parts else []
    return [told[begin:end] for begin, end in itertools.pairwise(bounds)]


def _period(part: Sequence[tuple[int, float]]) -> Period:
    return Period(part[0][0], part[-1][0], len(part), fmean(explore for _, explore in part))


def _mean(values: Sequence[float]) -> float:
    """Their mean; divided first, since the sum of results near the largest float would overflow."""
    return sum(value / len(values) for value in values)


def _share(facts: Iterable[bool]) -> float:
    return fmean(float(fact) for fact in facts)
