"""How to propose the next configuration where two objectives make a front."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cotune.numerics.gp import Floats
from cotune.numerics.hypervolume import Front, LogExpectedHypervolumeImprovement
from cotune.numerics.pareto import leading, staircase
from cotune.records import Suggestion
from cotune.strategies.bayesian import record
from cotune.strategies.bayesian.candidates import filled, pool
from cotune.strategies.bayesian.evidence import Evidence
from cotune.strategies.bayesian.models import Belief, best_and_near
from cotune.strategies.bayesian.proposals import Situation, by_promise, is_lucky

Rows = NDArray[np.intp]

_MOST, _MARKS = 32, 12
"""Points of a front that are reckoned with, and those that results are measured by; the least crowded ones."""
_TOP = 5
_HEARD = 128
"""Results that the models are given at most: there are two of them."""
_OUT, _BEYOND, _LEAST = 0.3, 0.1, 1e-6
"""How far the reference point lies beyond the front: a share of the way to the worst, of the front's extent, and more
than nothing. Tuned on the problems of benchmarks/fronts.py that are named so."""


def hypervolume_improvement(now: Situation) -> Suggestion | None:
    """The largest expected hypervolume improvement under one model of each objective; None if nothing is left to try.

    The front is what was seen, or predicted where that is noisy, and what is predicted of pending trials.
    """
    rows = heard(now.evidence)
    beliefs = {name: now.believe_of(name, now.whose_turn, rows) for name in now.evidence.signs}
    first, second = beliefs.values()
    known, coming = _losses(now, beliefs)
    foremost = _thinned(known, _TOP)
    points = np.concatenate([known, coming])
    front = Front.of(points[_thinned(points, _MOST)], _reference(known, beliefs))
    acquisition = LogExpectedHypervolumeImprovement((first.posterior, second.posterior), front)
    near = filled(now.evidence.units[rows[now.generator.permutation(foremost)]])
    order = by_promise(now, acquisition, pool(now.ground, near, now.generator), near, now.trust)
    found = now.first_new(order) or now.left_over()
    if found is None:
        return None
    return Suggestion(found.config, record.of_front(beliefs, now.ground.features, now.evidence, found.unit))


def heard(evidence: Evidence) -> Rows:
    """Half of the rows are least behind a few points of the front, by ranks; half were tried nearest to these."""
    losses = evidence.each
    if len(losses) <= _HEARD:
        return np.arange(len(losses))
    ranks = np.stack([np.unique(column, return_inverse=True)[1].astype(np.float64) for column in losses.T], axis=1)
    behind, apart = np.full((2, len(losses)), np.inf)
    for mark in _thinned(ranks, _MARKS):
        behind = np.minimum(behind, (ranks - ranks[mark]).max(axis=1))
        off = evidence.columns - evidence.columns[mark]
        apart = np.minimum(apart, np.einsum("nc,nc->n", off, off))
    return best_and_near(behind, apart, _HEARD)


def _losses(now: Situation, beliefs: Mapping[str, Belief]) -> tuple[Floats, Floats]:
    """(n, 2) warped losses of the results that were heard, and (p, 2) those that are predicted of pending trials."""
    known, coming = [], []
    for belief in beliefs.values():
        n = len(belief.rows)
        known.append(belief.posterior.fitted[:n] if is_lucky(now, belief) else belief.losses)
        coming.append(belief.posterior.fitted[n:])
    return np.stack(known, axis=1), np.stack(coming, axis=1)


def _reference(losses: Floats, beliefs: Mapping[str, Belief]) -> Floats:
    """(2,) worse than the ends of the front of losses (n, 2), by a share of how much worse the worst result is.

    So the ends are worth going beyond, but no more than the middle is.
    """
    ends = losses[staircase(losses)].max(axis=0)
    worst = np.maximum([belief.warped.values.max() for belief in beliefs.values()], ends)
    return ends + _OUT * (worst - ends) + _BEYOND * (ends - losses.min(axis=0)) + _LEAST


def _thinned(points: Floats, most: int) -> Rows:
    """At most so many rows of points (n, 2) that are on their front, the least crowded ones."""
    front = staircase(points)
    return front if len(front) <= most else front[leading(points[front], most)]
