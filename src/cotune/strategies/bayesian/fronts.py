"""How to propose the next configuration where two objectives make a front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cotune.numerics.gp import Floats
from cotune.numerics.hypervolume import Front, LogExpectedHypervolumeImprovement
from cotune.numerics.pareto import leading, staircase
from cotune.records import Suggestion
from cotune.strategies.bayesian import record
from cotune.strategies.bayesian.candidates import filled, pool
from cotune.strategies.bayesian.models import Belief
from cotune.strategies.bayesian.proposals import Situation, by_promise, is_lucky

_MOST, _MARKS = 32, 12
"""Points of a front that are reckoned with, and those that results are measured by; the least crowded ones."""
_TOP = 5
_ROWS = 128
"""Results that each model hears at most: there are two of them."""
_OUT, _BEYOND, _LEAST = 0.3, 0.1, 1e-6


def hypervolume_improvement(now: Situation) -> Suggestion | None:
    """The largest expected hypervolume improvement under one model of each objective; None if nothing is left to try.

    The front is what was seen, or predicted where that is noisy, and what is predicted of pending trials.
    """
    model, merit = now.whose_turn, _merit(now.evidence.each)
    beliefs = {
        name: now.believe(replace(model, name=f"{model.name}, {name}", rows=_ROWS), now.evidence.of(name, merit))
        for name in now.evidence.signs
    }
    first, second = beliefs.values()
    known, coming = _losses(now, beliefs)
    foremost = staircase(known)
    front = Front.of(_thinned(np.concatenate([known[foremost], coming]), _MOST), _reference(known, foremost))
    acquisition = LogExpectedHypervolumeImprovement((first.posterior, second.posterior), front)
    parents = foremost if len(foremost) <= _TOP else foremost[leading(known[foremost], _TOP)]
    near = filled(now.evidence.units[now.generator.permutation(parents)])
    order = by_promise(now, acquisition, pool(now.ground, near, now.generator), near, now.trust)
    found = now.first_new(order) or now.left_over()
    if found is None:
        return None
    return Suggestion(found.config, record.of_front(beliefs, now.ground.features, now.evidence, found.unit))


def _merit(losses: Floats) -> Floats:
    """(n,) how far results of losses (n, 2) are behind a few points of their front, in ranks."""
    if len(losses) <= _ROWS:
        return losses[:, 0]  # all are heard
    first, second = (_ranks(column) for column in losses.T)
    behind = np.full(len(losses), np.inf)
    for a, b in _thinned(np.stack([first, second], axis=1), _MARKS):
        behind = np.minimum(behind, np.maximum(first - a, second - b))
    return behind


def _ranks(values: Floats) -> Floats:
    ranks = np.empty(len(values))
    ranks[values.argsort(kind="stable")] = np.arange(len(values))
    return ranks


def _losses(now: Situation, beliefs: Mapping[str, Belief]) -> tuple[Floats, Floats]:
    """(n, 2) warped losses of all results, and (p, 2) those that are predicted of pending trials."""
    known, coming = [], []
    for belief in beliefs.values():
        n, losses = len(belief.rows), belief.warped.values.copy()
        if is_lucky(now, belief):
            losses[belief.rows] = belief.posterior.fitted[:n]
        known.append(losses)
        coming.append(belief.posterior.fitted[n:])
    return np.stack(known, axis=1), np.stack(coming, axis=1)


def _reference(losses: Floats, front: NDArray[np.intp]) -> Floats:
    """(2,) worse than the ends of the front of losses (n, 2), by a share of how much worse the others are.

    So the ends are worth going beyond, but no more than the middle is.
    """
    worst = losses[front].max(axis=0)
    return worst + _OUT * (losses.max(axis=0) - worst) + _BEYOND * (worst - losses.min(axis=0)) + _LEAST


def _thinned(points: Floats, most: int) -> Floats:
    """At most so many of the points (n, 2) on their front, the least crowded ones."""
    front = points[staircase(points)]
    return front if len(front) <= most else front[leading(front, most)]
