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

_MOST = 32
"""Points of a front that are reckoned with; the most crowded are left out beyond."""
_TOP = 5
_OUT, _BEYOND, _LEAST = 0.3, 0.1, 1e-6


def hypervolume_improvement(now: Situation) -> Suggestion | None:
    """The largest expected hypervolume improvement under one model of each objective; None if nothing is left to try.

    The front is what was seen, or predicted where that is noisy, and what is predicted of pending trials.
    """
    model = now.whose_turn
    beliefs = {
        name: now.believe(replace(model, name=f"{model.name}, {name}"), now.evidence.of(name))
        for name in now.evidence.signs
    }
    first, second = beliefs.values()
    known, coming = _losses(now, beliefs)
    points = np.concatenate([known, coming])
    front = Front.of(points[_foremost(points, _MOST)], _reference(known))
    acquisition = LogExpectedHypervolumeImprovement((first.posterior, second.posterior), front)
    near = filled(now.evidence.units[now.generator.permutation(_foremost(known, _TOP))])
    order = by_promise(now, acquisition, pool(now.ground, near, now.generator), near, now.trust)
    found = now.first_new(order) or now.left_over()
    if found is None:
        return None
    return Suggestion(found.config, record.of_front(beliefs, now.ground.features, now.evidence, found.unit))


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


def _reference(losses: Floats) -> Floats:
    """(2,) worse than the ends of the front of losses (n, 2), by a share of how much worse the others are.

    So the ends are worth going beyond, but no more than the middle is.
    """
    worst = losses[staircase(losses)].max(axis=0)
    return worst + _OUT * (losses.max(axis=0) - worst) + _BEYOND * (worst - losses.min(axis=0)) + _LEAST


def _foremost(losses: Floats, most: int) -> NDArray[np.intp]:
    """At most so many rows of losses (n, 2) on the front, the least crowded ones."""
    front = staircase(losses)
    return front if len(front) <= most else front[leading(losses[front], most)]
