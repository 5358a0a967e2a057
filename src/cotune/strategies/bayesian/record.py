"""Why a configuration is proposed, in numbers that a reader can check against what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotune.numerics.acquisition import LogExpectedImprovement, explore_share
from cotune.records import JsonValue
from cotune.strategies.bayesian.evidence import Evidence, once
from cotune.strategies.bayesian.features import Features
from cotune.strategies.bayesian.memory import NAME
from cotune.strategies.bayesian.models import Belief

Floats = NDArray[np.float64]

_NEAREST = 3


def opening(evidence: Evidence, *, is_inner: bool) -> dict[str, JsonValue]:
    """The record of a trial that is proposed before there is anything to learn from."""
    where = " over the inner part of the space" if is_inner else ""
    return {
        "strategy": NAME,
        "why": f"evenly spread{where}, before there is a model",
        "results": evidence.n_results,
        "pending": len(evidence.pending),
    }


def of(
    belief: Belief, features: Features, evidence: Evidence, unit: Floats, best: float, *, gap: int | None = None
) -> dict[str, Any]:
    """The record of a suggestion at a position; gap: given if it minimises the predicted mean."""
    x = features.of(unit[None])
    mean, sd = _predicted(belief, x)
    found = {
        "strategy": NAME,
        "why": "expected improvement" if gap is None else "lowest predicted mean",
        "results": evidence.n_results,
        "pending": len(evidence.pending),
        "explore": explore_share(mean, sd, best) if gap is None else 0.0,
        "nearest": _nearest(belief, evidence, x),
        "model": _model(belief),
    }
    if evidence.sign is not None:
        found |= _in_metric(belief, evidence, (mean, sd), best, x)
    return found if gap is None else {**found, "gap": gap}


def _in_metric(
    belief: Belief, evidence: Evidence, predicted: tuple[float, float], best: float, x: Floats
) -> dict[str, JsonValue]:
    """What is believed, in the metric's own units; improvement and noise by the warp's slope at the best result."""
    return {
        "best": int(evidence.numbers[int(evidence.losses.argmin())]),
        "predicted": _prediction(belief, evidence.sign or 1.0, *predicted),
        "expected_improvement": expected_improvement(belief, x, best),
        "noise": _noise(belief, best),
    }


def _prediction(belief: Belief, sign: float, mean: float, sd: float) -> dict[str, JsonValue]:
    """A warped mean and standard deviation in the metric's own units."""
    low, high = sorted(sign * belief.warped.raw(mean + side * sd) for side in (-1.0, 1.0))
    return {"mean": sign * belief.warped.raw(mean), "low": low, "high": high}


def _noise(belief: Belief, at: float) -> float:
    """Its standard deviation, in the metric's own units by the warp's slope at a warped loss."""
    return math.sqrt(float(belief.posterior.noise)) * belief.warped.slope(at)


def of_front(
    beliefs: Mapping[str, Belief], features: Features, evidence: Evidence, unit: Floats
) -> dict[str, JsonValue]:
    """The record of a suggestion that serves several objectives. beliefs: one for each of them, by name."""
    x = features.of(unit[None])
    warped = {name: _predicted(belief, x) for name, belief in beliefs.items()}
    (name, predicted), *others = (
        (name, _prediction(belief, evidence.signs[name], *warped[name])) for name, belief in beliefs.items()
    )
    first = beliefs[name]
    return {
        "strategy": NAME,
        "why": "expected hypervolume improvement",
        "results": evidence.n_results,
        "pending": len(evidence.pending),
        "nearest": _nearest(first, evidence, x),
        "models": [_model(belief) for belief in beliefs.values()],
        "predicted": predicted,
        "also_predicted": dict(others),
        "noise": _noise(first, warped[name][0]),
    }


def expected_improvement(belief: Belief, x: Floats, best: float) -> float:
    """What columns x (1, c) promise, in the metric's own units by the warp's slope at the best result."""
    return math.exp(LogExpectedImprovement(belief.posterior, best).value(x)[0]) * belief.warped.slope(best)


def _model(belief: Belief) -> dict[str, JsonValue]:
    """The model and its hyperparameters, or the trial whose record holds them."""
    fitted = belief.fitted
    if not belief.is_new:
        return {"name": belief.model.name, "fitted_by": fitted.trial}
    return {"name": belief.model.name, "theta": list(fitted.theta), "fitted": fitted.results, "cold": fitted.cold}


def _nearest(belief: Belief, evidence: Evidence, x: Floats) -> list[list[float]]:
    """The numbers of the closest evaluated trials and their distances, in lengthscales."""
    distance = belief.posterior.distance(x)[0, : len(belief.rows)]
    order = distance.argsort(kind="stable")
    numbers = evidence.numbers[belief.rows[order]]
    return [[int(numbers[i]), round(float(distance[order[i]]), 4)] for i in once(numbers)[:_NEAREST]]


def _predicted(belief: Belief, x: Floats) -> tuple[float, float]:
    mean, variance = belief.posterior.predict(x)
    return float(mean[0]), math.sqrt(variance[0])
