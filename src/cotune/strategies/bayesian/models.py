"""Three Gaussian processes that take turns: no single warp or prior is best on every objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cotune.numerics import gp
from cotune.numerics.gp import Posterior, Prior
from cotune.numerics.warp import Warp, Warped, clipped, half_rank
from cotune.strategies.bayesian.evidence import Evidence
from cotune.strategies.bayesian.features import Features
from cotune.strategies.bayesian.memory import Fitted

Floats = NDArray[np.float64]

_OFTEN = 64
"""Up to so many results hyperparameters follow every result, later every tenth part more."""
_GROWTH, _COLD_GROWTH = 1.1, 1.3
_FIT_ROWS, _ROWS = 128, 256
_COLD_UNTIL = 128
"""With more results hyperparameters are settled, and a fit from scratch would cost too much."""
_COLD_ITERATIONS, _WARM_ITERATIONS = 40, 12
_SCATTER = 0.7
_MOST_EXTRA = 1e4
"""More noise than so many times the variance of all losses says nothing more."""


@dataclass(frozen=True, slots=True)
class Model:
    """A way to look at losses: how they are warped, and whether lengthscales are alike a priori."""

    name: str
    warp: Warp
    is_alike: bool


MODELS = (
    Model("half-rank", half_rank, False),
    Model("half-rank alike", half_rank, True),
    Model("plain", clipped, False),
)


@dataclass(frozen=True, slots=True)
class Belief:
    """A model that saw the evidence. rows: which trials of the evidence it was given, in the order of the posterior.

    fitted: the hyperparameters; is_new: whether they were found now, so that the record must hold them.
    """

    model: Model
    posterior: Posterior
    warped: Warped
    rows: NDArray[np.int64]
    fitted: Fitted
    is_new: bool

    @property
    def losses(self) -> Floats:
        """(n,) warped losses of the rows."""
        return self.warped.values[self.rows]


def believe(
    model: Model, features: Features, evidence: Evidence, fitted: Fitted | None, number: int, generator: Generator,
    heard: NDArray[np.int64] | None = None,
) -> Belief:  # fmt: skip
    """The model's posterior; hyperparameters are the logged ones, or new ones found from there when it is time.

    heard: the rows of the evidence that it is given; None for those that matter most to the lowest loss.
    """
    prior = gp.prior(features.groups, alike=model.is_alike or features.is_wide)
    warped = model.warp(evidence.losses)
    n = len(evidence.losses)
    is_new = fitted is None or n >= _next_fit(fitted.results)
    if is_new or fitted is None:
        rows = _chosen(evidence.losses, _FIT_ROWS) if heard is None else heard
        data = evidence.columns[rows], warped.values[rows], _extra(evidence, warped, rows)
        fitted = _fit(prior, data, fitted, n, number, generator)
    theta = np.array(fitted.theta)
    rows = _nearest(evidence, np.exp(-theta[features.groups])) if heard is None else heard
    posterior = gp.condition(
        prior,
        theta,
        evidence.columns[rows],
        warped.values[rows],
        evidence.pending_columns,
        _extra(evidence, warped, rows),
    )
    return Belief(model, posterior, warped, rows, fitted, is_new)


def _next_fit(results: int) -> int:
    return results + 1 if results < _OFTEN else int(np.ceil(_GROWTH * results))


def _extra(evidence: Evidence, warped: Warped, rows: NDArray[np.int64]) -> Floats | None:
    """(k,) the rows' variance beyond the usual one, in warped units; those of the better half count."""
    if evidence.own_excess is None:
        return None
    good = evidence.losses <= np.median(evidence.losses)
    raw, own = np.std(evidence.losses[good]), np.std(warped.values[good])
    if raw == 0 or own == 0:
        return None
    extra: Floats = np.minimum(evidence.own_excess[rows] * (own / raw) ** 2, _MOST_EXTRA)
    return extra


def _fit(
    prior: Prior, data: tuple[Floats, Floats, Floats | None], fitted: Fitted | None, n: int, number: int,
    generator: Generator,
) -> Fitted:  # fmt: skip
    """From the last hyperparameters alone, or also from scratch when there is a third more evidence than last time.

    data: x, y and extra noise, as `gp.fit` takes them.
    """
    x, y, extra = data
    starts = [] if fitted is None else [np.array(fitted.theta)]
    is_cold = fitted is None or (n <= _COLD_UNTIL and n >= max(fitted.cold + 1, int(_COLD_GROWTH * fitted.cold)))
    if is_cold:
        starts.append(prior.start)
    if fitted is None:
        starts.append(prior.start + _SCATTER * generator.standard_normal(len(prior.start)))
    iterations = _COLD_ITERATIONS if is_cold else _WARM_ITERATIONS
    theta = gp.fit(prior, x, y, np.stack(starts), iterations=iterations, extra=extra)
    return Fitted(tuple(theta.tolist()), n, n if fitted is None or is_cold else fitted.cold, number)


def _chosen(losses: Floats, n: int) -> NDArray[np.int64]:
    """At most n rows: the better half by loss, the rest evenly over the others, in their order."""
    if len(losses) <= n:
        return np.arange(len(losses))
    order = np.argsort(losses, kind="stable")
    others = np.sort(order[n // 2 :])
    spread = others[np.linspace(0, len(others) - 1, n - n // 2).astype(np.int64)]
    return np.sort(np.concatenate([order[: n // 2], spread]))


def _nearest(evidence: Evidence, scale: Floats) -> NDArray[np.int64]:
    """At most `_ROWS` rows: the better half by loss, the rest by distance from the best in columns times `scale`."""
    losses = evidence.losses
    if len(losses) <= _ROWS:
        return np.arange(len(losses))
    apart = (evidence.columns - evidence.columns[np.argmin(losses)]) * scale
    return best_and_near(losses, np.einsum("nc,nc->n", apart, apart), _ROWS)


def best_and_near(merit: Floats, distance: Floats, n: int) -> NDArray[np.int64]:
    """n rows in their order: half of them the lowest in merit (rows,), the rest the nearest of the others."""
    order = np.argsort(merit, kind="stable")
    others = order[n // 2 :]
    near = others[np.argsort(distance[others], kind="stable")[: n - n // 2]]
    return np.sort(np.concatenate([order[: n // 2], near]))
