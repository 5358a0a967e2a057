"""Whether early results tell who will win: what early stopping relies on."""

from __future__ import annotations

import math

import numpy as np

from cotune.explain.insight import Rungs
from cotune.numerics.rank_correlation import spearman
from cotune.records import History, State

_FEWEST = 5
_MOST_RUNGS = 8


def rungs(history: History, objective: str) -> tuple[Rungs, ...]:
    """Rank correlations with the end, one for each step at which trials were judged; none without enough trials.

    Where nothing was judged before its end, the steps are a third, a ninth and so on of the whole.
    """
    ends = [number for number in range(len(history)) if history.state(number) is State.DONE]
    until = max((history.step(number) for number in ends), default=0)
    ends = [number for number in ends if history.step(number) == until]
    found = (_rung(history, objective, step, until, ends) for step in _steps(history, until))
    return tuple(rung for rung in found if rung is not None)


def _steps(history: History, until: int) -> list[int]:
    judged = sorted(
        {arrival.step for arrival in history.arrivals if 0 < arrival.step < until and not arrival.has_failed}
    )
    thirds = sorted({until // 3**k for k in range(1, 4)} - {0, until})
    return judged if 0 < len(judged) <= _MOST_RUNGS else thirds


def _rung(history: History, objective: str, step: int, until: int, ends: list[int]) -> Rungs | None:
    pairs = [
        (history.reported(number, step).get(objective, math.nan), history.metrics(number).get(objective, math.nan))
        for number in ends
    ]
    both = np.array([pair for pair in pairs if all(map(math.isfinite, pair))])
    correlation = spearman(both[:, 0], both[:, 1]) if len(both) >= _FEWEST else math.nan
    return None if math.isnan(correlation) else Rungs(step, until, correlation, len(both))
