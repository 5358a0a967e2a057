"""Three ways to propose the next configuration: to open a search, to gain most, and to cash in what was learnt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cotune.numerics.acquisition import LogExpectedImprovement
from cotune.numerics.gp import Floats
from cotune.records import Suggestion
from cotune.strategies.bayesian import record
from cotune.strategies.bayesian.candidates import Found, Ground, climbed, filled, first_new, pool, ranked
from cotune.strategies.bayesian.evidence import Evidence, once
from cotune.strategies.bayesian.memory import Memory
from cotune.strategies.bayesian.models import MODELS, Belief, Model, believe
from cotune.strategies.untried import Untried

_FIRST_EXPLOIT = 3
_GAPS = (2, 16)
_TOP = 5
_NOISY = 0.01
"""A noise variance above this, where losses have variance 1, makes results noisy."""
_PRIOR_TRUST = 10.0
"""A user's prior weighs as much as so many results (Hvarfner et al. 2022, "piBO", eq. 6)."""


class Acquisition(Protocol):
    """What columns x (m, c) promise, in logarithms."""

    def value(self, x: Floats) -> Floats:
        """(m,) the more the better."""

    def negative(self, x: Floats) -> tuple[Floats, Floats]:
        """(m,) minus that, and its (m, c) gradient."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a proposal for one trial depends on. untried: finds what is left of a finite space."""

    ground: Ground
    evidence: Evidence
    memory: Memory
    generator: Generator
    untried: Untried
    _beliefs: dict[str, Belief] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def number(self) -> int:
        """The trial that a proposal is for."""
        return self.memory.n_trials

    def first_new(self, candidates: Floats) -> Found | None:
        """The first of (m, d) positions that is legal and that no trial has."""
        return first_new(self.ground, candidates, self.evidence.tried)

    def left_over(self) -> Found | None:
        """A configuration that no trial has, at random; None if there is none left."""
        space = self.ground.space
        some = self.untried.some(space, self.evidence.everywhere, 1, self.generator)
        return Found(some[0], filled(space.encode(some[0])[0])) if some else None

    @property
    def trust(self) -> float:
        """The weight of users' priors: the more results there are, the less."""
        return _PRIOR_TRUST / max(self.evidence.n_results, 1) if self.ground.space.positions.has_priors else 0.0

    @property
    def whose_turn(self) -> Model:
        """Losses of few and of many epochs together are made alike by ranks alone."""
        return MODELS[0] if self.evidence.is_partial else MODELS[self.memory.turn % len(MODELS)]

    def believe(self, model: Model) -> Belief:
        """What a model makes of the evidence; found once, for an exploitation in vain may come before its turn."""
        if model.name not in self._beliefs:
            fitted = self.memory.fitted.get(model.name)
            belief = believe(model, self.ground.features, self.evidence, fitted, self.number, self.generator)
            self._beliefs[model.name] = belief
        return self._beliefs[model.name]

    def believe_of(self, objective: str, model: Model, rows: NDArray[np.int64]) -> Belief:
        """What a model makes of these rows of the evidence about one of several objectives."""
        own, evidence = replace(model, name=f"{model.name}, {objective}"), self.evidence.of(objective)
        fitted = self.memory.fitted.get(own.name)
        return believe(own, self.ground.features, evidence, fitted, self.number, self.generator, rows)


def opening(now: Situation, spread: Floats) -> Suggestion | None:
    """Before there is anything to learn from: what the user thinks best for trial 0, then evenly spread points.

    spread (d,): the next of these points. In a wide space they are spread over its inner part, until a trial fails.
    """
    is_inner = now.ground.features.is_wide and not now.evidence.is_failed.any()
    candidates = [now.ground.guess] if now.number == 0 else []
    candidates += [now.ground.inner(spread[None])[0], spread] if is_inner else [spread]
    found = now.first_new(np.array(candidates)) or now.left_over()
    return None if found is None else Suggestion(found.config, record.opening(now.evidence, is_inner=is_inner))


def improvement(now: Situation) -> Suggestion | None:
    """The largest expected improvement under the model whose turn it is; None if there is nothing left to try."""
    belief = now.believe(now.whose_turn)
    near, acquisition = _best(now.evidence, belief), LogExpectedImprovement(belief.posterior, _incumbent(now, belief))
    order = by_promise(now, acquisition, pool(now.ground, near, now.generator), near, now.trust)
    found = now.first_new(order) or now.left_over()
    if found is None:
        return None
    suggestion = _suggested(now, belief, found)
    if not now.trust or now.evidence.sign is None:
        return suggestion
    best = now.first_new(by_promise(now, acquisition, order, near, 0.0)) or found
    largest = record.expected_improvement(belief, now.ground.features.of(best.unit[None]), _incumbent(now, belief))
    return replace(suggestion, decision={**suggestion.decision, "largest_improvement": largest})


def by_promise(now: Situation, acquisition: Acquisition, candidates: Floats, near: Floats, trust: float) -> Floats:
    """Candidates (m, d) and what climbing from them found, from the most promising down; trust: in users' priors."""
    aim = _Aim(now.ground, acquisition, trust)
    return ranked(now.ground, candidates, near[:1], aim.value, aim.climb, now.generator)


def exploitation(now: Situation) -> Suggestion | None:
    """The lowest predicted mean near the best results; None if it is not the time, or that point was tried.

    Where trials are trained in parts a new one costs little, and who is best is not known yet.
    """
    if now.evidence.is_partial or not _is_time_to_exploit(now.memory, now.evidence):
        return None
    belief = now.believe(MODELS[0])
    posterior = belief.posterior

    def climb(_: Floats, x: Floats) -> tuple[Floats, Floats]:
        mean, _, pullback = posterior.predict_with_gradient(x)
        return mean, pullback(np.ones_like(mean), np.zeros_like(mean))

    near = climbed(
        now.ground.features, _best(now.evidence, belief), climb,
        iterations=40, gradient_tolerance=1e-6, value_tolerance=1e-10,
    )  # fmt: skip
    mean, _ = posterior.predict(now.ground.features.of(near))
    found = now.first_new(near[[mean.argmin()]])
    return None if found is None else _suggested(now, belief, found, gap=_gap(now.memory, now.evidence))


def _suggested(now: Situation, belief: Belief, found: Found, *, gap: int | None = None) -> Suggestion:
    why = record.of(belief, now.ground.features, now.evidence, found.unit, _incumbent(now, belief), gap=gap)
    return Suggestion(found.config, why)


def _incumbent(now: Situation, belief: Belief) -> float:
    """The loss to undercut, as the model has it, or lower if a pending trial is predicted to be.

    The lowest loss seen; where results are noisy the lowest predicted one, because the lowest seen was lucky. Where
    trials were trained in parts it was not luck: it had most epochs.
    """
    fitted, n = belief.posterior.fitted, len(belief.rows)
    seen = fitted[:n] if is_lucky(now, belief) else belief.losses
    return float(min(seen.min(), fitted[n:].min(initial=np.inf)))


def is_lucky(now: Situation, belief: Belief) -> bool:
    """Whether the lowest losses seen say more about noise than about their configurations."""
    excess = now.evidence.own_excess
    is_uncertain = belief.posterior.noise > _NOISY or (excess is not None and excess.any())
    return bool(is_uncertain) and not now.evidence.is_partial


@dataclass(frozen=True, slots=True)
class _Aim:
    """An acquisition function, and users' priors with the weight `trust`."""

    ground: Ground
    acquisition: Acquisition
    trust: float

    def value(self, units: Floats) -> Floats:
        """(m,) at snapped positions (m, d)."""
        value = self.acquisition.value(self.ground.features.of(units))
        return value + self.trust * self.ground.space.positions.log_prior(units) if self.trust else value

    def climb(self, units: Floats, x: Floats) -> tuple[Floats, Floats]:
        """(m,) minus the value at columns x (m, c) of positions `units` moved, and its gradient."""
        value, gradient = self.acquisition.negative(x)
        if self.trust:
            log_prior, slope = self.ground.features.slopes(units, x, self.ground.space.positions.log_prior)
            value, gradient = value - self.trust * log_prior, gradient - self.trust * slope
        return value, gradient


def _is_time_to_exploit(memory: Memory, evidence: Evidence) -> bool:
    if memory.exploited is None:
        return memory.turn >= _FIRST_EXPLOIT
    return memory.n_trials - memory.exploited > _gap(memory, evidence)


def _gap(memory: Memory, evidence: Evidence) -> int:
    """Suggestions between two exploitations: half as many as before if the last one paid, else twice as many."""
    if memory.exploited is None:
        return _FIRST_EXPLOIT
    place = int(np.searchsorted(evidence.numbers, memory.exploited))
    if place == len(evidence.numbers) or evidence.numbers[place] != memory.exploited:
        return memory.gap
    has_paid = evidence.losses[place] < evidence.losses[:place].min(initial=np.inf)
    return max(_GAPS[0], memory.gap // 2) if has_paid else min(_GAPS[1], 2 * memory.gap)


def _best(evidence: Evidence, belief: Belief) -> Floats:
    """(k, d) positions of the trials with the lowest posterior means."""
    rows = belief.rows[belief.posterior.fitted[: len(belief.rows)].argsort(kind="stable")]
    return filled(evidence.units[rows[once(evidence.numbers[rows])[:_TOP]]])
