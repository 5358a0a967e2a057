"""Bayesian optimisation for numbers, choices and conditions together, with failures, noise and pending trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from cotune.config import Config
from cotune.numerics.acquisition import LogExpectedImprovement
from cotune.numerics.threads import one_thread
from cotune.records import Draw, History, Suggestion
from cotune.strategies.bayesian import record
from cotune.strategies.bayesian.candidates import (
    Ground,
    climbed,
    first_new,
    last_resort,
    pool,
    ranked,
)  # fmt: skip
from cotune.strategies.bayesian.evidence import Evidence, gathered
from cotune.strategies.bayesian.memory import Memory, remembered
from cotune.strategies.bayesian.models import MODELS, Belief, believe
from cotune.strategies.sobol import Sobol

Floats = NDArray[np.float64]

_FIRST_EXPLOIT = 3
_GAPS = (2, 16)
_TOP = 5


@dataclass
class _Kept:
    """What is remembered between suggestions of one history; all of it can be computed again."""

    history: History
    ground: Ground
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class BayesianOptimization:
    """Expected improvement under a Gaussian process, three models in turn; now and then the lowest predicted mean.

    start: trials before the model is asked; None: 5 and half the number of parameters, at most 10.
    """

    start: int | None = None
    _cache: list[_Kept] = field(default_factory=list, repr=False, compare=False)

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """At most n suggestions; fewer when a finite space is exhausted."""
        kept = self._kept(history)
        memory, planned = kept.memory, list[Suggestion]()
        with one_thread():
            for number in range(len(history), len(history) + n):
                suggestion = self._next(history, planned, kept.ground, memory, draw(number))
                if suggestion is None:
                    break
                planned.append(suggestion)
                memory = memory.after(suggestion.decision)
        return planned

    def _kept(self, history: History) -> _Kept:
        if not self._cache or self._cache[0].history is not history:
            self._cache[:] = [_Kept(history, Ground.of(history.space))]
        kept = self._cache[0]
        kept.memory = remembered(history, kept.memory)
        return kept

    def _next(
        self, history: History, planned: Sequence[Suggestion], ground: Ground, memory: Memory, generator: Generator
    ) -> Suggestion | None:
        evidence = gathered(history, planned, generator)
        n_start = self.start if self.start is not None else min(5 + ground.features.n_groups // 2, 10)
        tried = ground.features.of(np.concatenate([evidence.units, evidence.pending]))
        if memory.n_trials < n_start or evidence.n_results == 0:
            found = self._opening(history, memory.n_trials, ground, tried, generator)
            return None if found is None else Suggestion(found[1], record.opening(evidence))
        if _is_time_to_exploit(memory, evidence):
            belief = believe(
                MODELS[0], ground.features, evidence, memory.fitted.get(MODELS[0].name), memory.n_trials, generator
            )
            found = _lowest_mean(ground, evidence, belief, tried)
            if found is not None:
                return Suggestion(
                    found[1],
                    record.of(belief, ground, evidence, found[0], incumbent(belief), gap=_gap(memory, evidence)),
                )
        model = MODELS[memory.turn % len(MODELS)]
        belief = believe(model, ground.features, evidence, memory.fitted.get(model.name), memory.n_trials, generator)
        found = _most_promising(ground, evidence, belief, tried, generator)
        return (
            None
            if found is None
            else Suggestion(found[1], record.of(belief, ground, evidence, found[0], incumbent(belief)))
        )

    def _opening(
        self, history: History, number: int, ground: Ground, tried: Tensor, generator: Generator
    ) -> tuple[Floats, Config] | None:
        """The middle of the space for trial 0, then evenly spread points."""
        spread = Sobol().suggest(history, number - len(history) + 1, lambda _: generator)[-1].config
        units = [np.full(ground.features.n_groups, 0.5)] if number == 0 else []
        unit = history.space.encode(spread)[0]
        units.append(np.where(np.isnan(unit), 0.5, unit))
        candidates = history.space.positions.snapped(np.array(units))
        return first_new(ground, candidates, tried) or last_resort(ground, tried, generator)


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


def _lowest_mean(ground: Ground, evidence: Evidence, belief: Belief, tried: Tensor) -> tuple[Floats, Config] | None:
    """The minimiser of the predicted mean near the best results; None if it was tried, or is forbidden."""
    posterior = belief.posterior

    def climb(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, _, pullback = posterior.predict_with_gradient(x)
        return mean, pullback(torch.ones_like(mean), torch.zeros_like(mean))

    starts = _best(evidence, belief)
    found = climbed(ground.features, starts, climb, iterations=40, gradient_tolerance=1e-6, value_tolerance=1e-10)
    mean = posterior.predict(ground.features.of(found))[0]
    return first_new(ground, found[int(mean.argmin())][None], tried)


def _most_promising(
    ground: Ground, evidence: Evidence, belief: Belief, tried: Tensor, generator: Generator
) -> tuple[Floats, Config] | None:
    acquisition = LogExpectedImprovement(belief.posterior, incumbent(belief))

    def value(units: Floats) -> Floats:
        values: Floats = acquisition.value(ground.features.of(units)).numpy()
        return values

    best = _best(evidence, belief)
    candidates = pool(ground, best, generator)
    order = ranked(ground, candidates, best[:1], value, acquisition.negative, generator)
    return first_new(ground, order, tried) or last_resort(ground, tried, generator)


def incumbent(belief: Belief) -> Tensor:
    """The loss to undercut: the lowest seen, or lower if a pending trial is predicted to be."""
    n = len(belief.rows)
    pending = belief.posterior.fitted[n:]
    best = belief.losses.min()
    return torch.minimum(best, pending.min()) if len(pending) else best


def _best(evidence: Evidence, belief: Belief) -> Floats:
    """(k, d) positions of the trials with the lowest posterior means."""
    order = belief.posterior.fitted[: len(belief.rows)].argsort(stable=True)[:_TOP].numpy()
    units = evidence.units[belief.rows[order]]
    return np.where(np.isnan(units), 0.5, units)
