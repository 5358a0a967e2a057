"""Why a configuration is proposed, in numbers that a reader can check against what came of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cotune.numerics.acquisition import LogExpectedImprovement, explore_share
from cotune.records import JsonValue
from cotune.strategies.bayesian.candidates import Ground
from cotune.strategies.bayesian.evidence import Evidence
from cotune.strategies.bayesian.memory import NAME
from cotune.strategies.bayesian.models import Belief

Floats = NDArray[np.float64]

_NEAREST = 3


def opening(evidence: Evidence) -> dict[str, JsonValue]:
    """The record of a trial that is proposed before there is anything to learn from."""
    return {"strategy": NAME, "why": "start", "results": evidence.n_results, "pending": len(evidence.pending)}


def of(
    belief: Belief, ground: Ground, evidence: Evidence, unit: Floats, best: torch.Tensor, *, gap: int | None = None
) -> dict[str, Any]:
    """The record of a suggestion at a position; gap: given if it minimises the predicted mean."""
    x = ground.features.of(unit[None])
    mean, variance = belief.posterior.predict(x)
    found = {
        "strategy": NAME,
        "why": "expected improvement" if gap is None else "lowest predicted mean",
        "results": evidence.n_results,
        "pending": len(evidence.pending),
        "explore": float(explore_share(mean, variance.sqrt(), best)),
        "nearest": _nearest(belief, evidence, x),
        "best": int(evidence.numbers[int(evidence.losses.argmin())]),
        "model": _model(belief),
    }
    if evidence.sign is not None:
        found |= _in_metric(belief, float(mean), float(variance.sqrt()), best, x, evidence.sign)
    return found if gap is None else {**found, "gap": gap}


def _in_metric(
    belief: Belief, mean: float, sd: float, best: torch.Tensor, x: torch.Tensor, sign: float
) -> dict[str, JsonValue]:
    """What is believed, in the metric's own units; improvement and noise by the warp's slope at the best result."""
    warped = belief.warped
    low, high = sorted(sign * warped.raw(mean + side * sd) for side in (-1.0, 1.0))
    improvement, slope = LogExpectedImprovement(belief.posterior, best).value(x).exp(), warped.slope(float(best))
    return {
        "predicted": {"mean": sign * warped.raw(mean), "low": low, "high": high},
        "expected_improvement": float(improvement) * slope,
        "noise": math.sqrt(float(belief.posterior.noise)) * slope,
    }


def _model(belief: Belief) -> dict[str, JsonValue]:
    """The model and its hyperparameters, or the trial whose record holds them."""
    fitted = belief.fitted
    if not belief.is_new:
        return {"name": belief.model.name, "fitted_by": fitted.trial}
    return {"name": belief.model.name, "theta": list(fitted.theta), "fitted": fitted.results, "cold": fitted.cold}


def _nearest(belief: Belief, evidence: Evidence, x: torch.Tensor) -> list[list[float]]:
    """The numbers of the closest evaluated trials and their distances, in lengthscales."""
    rows = belief.rows
    distance = (belief.posterior.z[: len(rows)] - x * belief.posterior.scale).norm(dim=1)
    order = distance.argsort(stable=True)[:_NEAREST].tolist()
    return [[int(evidence.numbers[rows[i]]), round(float(distance[i]), 4)] for i in order]
