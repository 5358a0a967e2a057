"""Bayesian optimisation for numbers, choices and conditions together, with failures, noise and pending trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotune.errors import StudyError
from cotune.numerics.threads import one_thread
from cotune.records import Draw, History, Suggestion
from cotune.strategies.bayesian.candidates import Ground, filled
from cotune.strategies.bayesian.evidence import gathered
from cotune.strategies.bayesian.fronts import hypervolume_improvement
from cotune.strategies.bayesian.memory import Memory, remembered
from cotune.strategies.bayesian.proposals import Situation, exploitation, improvement, opening
from cotune.strategies.bayesian.results import Results
from cotune.strategies.sobol import Spread
from cotune.strategies.tpe import TPE
from cotune.strategies.untried import Untried

Floats = NDArray[np.float64]

_FIRST_ELSEWHERE, _EVERY = 100, 8
_WHY = "like the best of all results, where the Gaussian process sees only a part of them"


@dataclass
class _Kept:
    """What is remembered between suggestions of one history; all of it can be computed again."""

    history: History
    ground: Ground
    columns: Floats
    results: Results
    untried: Untried = field(default_factory=Untried)
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class BayesianOptimization:
    """Expected improvement under a Gaussian process, three models in turn; now and then the lowest predicted mean.

    Models hear the best results and those nearest to them, so that they lose sight of the rest of the space: from trial
    100 on every eighth one is proposed by TPE, which hears all.

    With two objectives, the expected hypervolume improvement of a process for each; with more, the expected improvement
    of another mixture of them for every trial.

    start: trials before the model is asked; None: 5 and half the number of parameters, at most 10. What a suggestion
    builds on (hyperparameters, whose turn it is) stands in the decision records of earlier trials.
    """

    start: int | None = None
    reads_milestones: ClassVar[bool] = True
    _cache: list[_Kept] = field(default_factory=list, init=False, repr=False, compare=False)
    _other: TPE = field(default_factory=TPE, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.start is not None and (type(self.start) is not int or self.start < 0):
            raise StudyError(
                f"BayesianOptimization(start={self.start!r}) takes a whole number of at least 0. Leave it out for as "
                "many as suit the space."
            )

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """At most n suggestions; fewer when a finite space is exhausted."""
        kept = self._kept(history)
        memory, planned = kept.memory, list[Suggestion]()
        with one_thread():
            for number in range(len(history), len(history) + n):
                suggestion = self._elsewhere(number, kept, planned, draw)
                if suggestion is None:
                    random = draw(number)
                    evidence = gathered(kept.results, kept.columns, planned, kept.ground.features, random)
                    now = Situation(kept.ground, evidence, memory, random, kept.untried)
                    suggestion = self._next(now, history)
                if suggestion is None:
                    break
                planned.append(suggestion)
                memory = memory.after(suggestion.decision)
        return planned

    def _kept(self, history: History) -> _Kept:
        kept = self._cache[0] if self._cache else None
        if kept is None or kept.history is not history:
            ground = kept.ground if kept and kept.history.space is history.space else Ground.of(history.space)
            kept = _Kept(history, ground, ground.features.of(history.x), Results(history))
            self._cache[:] = [kept]
        fresh = history.x[len(kept.columns) :]
        kept.columns = np.concatenate([kept.columns, kept.ground.features.of(fresh)]) if len(fresh) else kept.columns
        kept.results.catch_up()
        kept.memory = remembered(history, kept.memory)
        return kept

    def _elsewhere(self, number: int, kept: _Kept, planned: Sequence[Suggestion], draw: Draw) -> Suggestion | None:
        """Now and then in a long search, something that no model of a part of the results would propose."""
        is_turn = number >= _FIRST_ELSEWHERE and number % _EVERY == 0
        if not is_turn or len(kept.history.objectives) > 1 or kept.results.are_partial:
            return None
        ahead = kept.history.and_pending(planned) if planned else kept.history
        return next(
            (replace(one, decision={**one.decision, "why": _WHY}) for one in self._other.suggest(ahead, 1, draw)), None
        )

    def _next(self, now: Situation, history: History) -> Suggestion | None:
        n_start = self.start if self.start is not None else min(5 + history.space.dimension // 2, 10)
        if now.number < n_start or now.evidence.n_results == 0:
            spread = Spread().at(history, now.number, now.generator)
            return opening(now, filled(history.space.encode(spread)[0]))
        if len(history.objectives) == 2:
            return hypervolume_improvement(now)
        return exploitation(now) or improvement(now)
