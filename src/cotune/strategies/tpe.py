"""Tree-structured Parzen Estimator: configurations that look like the good trials and unlike all others.

Sources: Bergstra et al. 2011 (the method); Watanabe 2023 (which of its choices matter).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cotune.config import Config
from cotune.errors import StudyError
from cotune.numerics import pareto
from cotune.numerics.parzen import Parzen, fitted
from cotune.records import Draw, History, JsonValue, Suggestion
from cotune.space import Space
from cotune.space.positions import Positions
from cotune.strategies.known import known
from cotune.strategies.untried import Untried, is_untried

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]

_MOST_GOOD = 25
_MOST_OTHERS = 500  # this and the next one bound the cost of a suggestion, however long the history
_MOST_RANKED = 500
_NEWEST = 25
_SMALLEST_WEIGHT = 0.01


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known when a trial is chosen.

    rows (n, d): positions of all trials, NaN where inactive. has_result (n,). good, good_weights (g,): the numbers of
    the good ones. best: the incumbent of one objective.
    """

    space: Space
    rows: Floats
    has_result: Booleans
    good: Indices
    good_weights: Floats
    best: int | None

    def and_pending(self, row: Floats) -> _Evidence:
        """The same with one more trial, that has no result yet."""
        rows, has_result = np.vstack([self.rows, row]), np.append(self.has_result, False)
        return replace(self, rows=rows, has_result=has_result)


@dataclass(frozen=True, slots=True)
class _Model:
    """The densities of the good trials and of all others, failed and unfinished ones among them.

    numbers: the trials that it is made of.
    """

    positions: Positions
    good: Parzen
    others: Parzen
    numbers: Indices

    def log_ratio(self, points: Floats) -> Floats:
        """(m,) how much more likely each of (m, d) snapped positions is under the good ones, as a logarithm."""
        active = self.positions.active(points)
        at = np.where(active, points, 0.5)
        return self.good.log_density(at, active) - self.others.log_density(at, active)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A configuration to try, its positions (d,), the logarithm of its ratio of densities, and the reason."""

    config: Config
    row: Floats
    log_ratio: float
    why: str


@dataclass(frozen=True)
class TPE:
    """Samples from the density of the good trials, and takes the sample that is least likely under that of the others.

    gamma: the share of the results that is good, in (0, 1]; never more than 25. candidates: samples per suggestion.
    Densities are of whole configurations, over the parameters that are active in them. Failed trials count as bad,
    and so do pending ones, which keeps parallel suggestions apart. Before min(10, 5 + d / 2) results none is good, and
    the suggestions spread over the space. With several objectives the non-dominated come first. No configuration is
    proposed twice as long as another can be found.
    """

    gamma: float = 0.15
    candidates: int = 24
    _cache: Untried = field(default_factory=Untried, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.gamma) not in (int, float) or not 0.0 < self.gamma <= 1.0:
            raise StudyError(f"TPE(gamma=...) is the share of good trials in (0, 1], got {self.gamma!r}. Use 0.15.")
        if type(self.candidates) is not int or self.candidates < 1:
            raise StudyError(
                f"TPE(candidates=...) is a whole number of at least 1 sample, got {self.candidates!r}. Use 24."
            )

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """n configurations; fewer when every legal one was tried."""
        evidence = _evidence(history, self.gamma)
        found: list[Suggestion] = []
        for number in range(len(history), len(history) + n):
            model = _model(evidence)
            choice = self._choice(evidence, model, draw(number))
            if choice is None:
                break
            decision = {**known(history, len(found)), **_decision(evidence, model, choice)}
            found.append(Suggestion(choice.config, decision))
            if len(found) < n:
                evidence = evidence.and_pending(choice.row)
        return found

    def _choice(self, evidence: _Evidence, model: _Model, random: np.random.Generator) -> _Choice | None:
        space = evidence.space
        points = space.positions.snapped(model.good.sample(random, self.candidates))
        ratios = model.log_ratio(points)
        why = "like the good trials, unlike the others" if len(evidence.good) else "far from earlier trials"
        for place in np.argsort(-ratios, kind="stable"):
            config = space.decode(points[place])
            row = space.encode(config)[0]
            if is_untried(row, evidence.rows) and space.allows(config):
                return _Choice(config, row, ratios[place], why)
        return self._left_over(evidence, model, random)

    def _left_over(self, evidence: _Evidence, model: _Model, random: np.random.Generator) -> _Choice | None:
        """The most promising of some that were not tried; in an endless space where none was found, one at random."""
        space = evidence.space
        left = self._cache.some(space, evidence.rows, self.candidates, random)
        if not left and space.size is not None:
            return None
        left = left or [space.sample(random)]
        rows = np.array([space.encode(config)[0] for config in left])
        ratios = model.log_ratio(rows)
        place = int(np.argmax(ratios))
        return _Choice(left[place], rows[place], ratios[place], "the samples were tried before, or are forbidden")


def _evidence(history: History, gamma: float) -> _Evidence:
    losses = history.y
    has_one = losses.shape[1] == 1
    has_result = ~np.isnan(losses[:, 0])
    done = np.flatnonzero(has_result)
    enough = min(10.0, 5.0 + history.space.dimension / 2)
    n_good = 0 if len(done) < enough else min(math.ceil(gamma * len(done)), _MOST_GOOD)
    good, weights = (_lowest if has_one else _front)(losses[done], n_good)
    return _Evidence(
        history.space, history.x, has_result, done[good], weights,
        best=int(done[np.argmin(losses[done, 0])]) if has_one and len(done) else None,
    )  # fmt: skip


def _lowest(losses: Floats, k: int) -> tuple[Indices, Floats]:
    """Places and weights of the k lowest of losses (n, 1): a weight is what the loss lies below the next one's.

    So it counts how much better a trial is, not only that it is (Watanabe 2023, weights by expected improvement).
    """
    column = losses[:, 0]
    if k == 0:
        return np.empty(0, dtype=np.intp), np.empty(0)
    place = min(k, len(column) - 1)
    bound = np.partition(column, place)[place]
    low = np.flatnonzero(column <= bound)
    low = low[np.argsort(column[low], kind="stable")[:k]]
    scale = max(abs(bound), np.abs(column[low]).max()) or 1.0  # the difference of two losses may overflow
    gains = bound / scale - column[low] / scale
    mean = gains.mean()
    return low, np.maximum(gains / mean, _SMALLEST_WEIGHT) if mean > 0.0 else np.ones(k)


def _front(losses: Floats, k: int) -> tuple[Indices, Floats]:
    """Places and equal weights of the k leading rows among the newest of losses (n, m)."""
    first = max(0, len(losses) - _MOST_RANKED)
    return first + pareto.leading(losses[first:], k), np.ones(k)


def _model(evidence: _Evidence) -> _Model:
    rows, positions = evidence.rows, evidence.space.positions
    is_other = np.ones(len(rows), dtype=np.bool_)
    is_other[evidence.good] = False
    others = np.flatnonzero(is_other)
    kept, weights = _thinned(len(others))
    others = others[kept]
    of = partial(fitted, counts=positions.counts, is_ordered=positions.is_ordered)
    return _Model(
        positions,
        good=of(rows[evidence.good], evidence.good_weights),
        others=of(rows[others], weights),
        numbers=np.concatenate([evidence.good, others]),
    )


def _recent(n: int) -> Floats:
    """(n,) weights from old to new: a line up to 1, which the newest 25 have."""
    return np.concatenate([np.linspace(1.0 / max(n, 1), 1.0, max(n - _NEWEST, 0)), np.ones(min(n, _NEWEST))])


def _thinned(n: int) -> tuple[Indices, Floats]:
    """At most 500 of n places in order of age, and their weights: the newest half, and each k-th of those before.

    One that stands for k has the weight of k, so that what is left out still counts.
    """
    weights = _recent(n)
    if n <= _MOST_OTHERS:
        return np.arange(n), weights
    n_old = n - _MOST_OTHERS // 2
    k = -(-n_old // (_MOST_OTHERS // 2))
    old, new = np.arange(0, n_old, k), np.arange(n_old, n)
    return np.concatenate([old, new]), np.concatenate([k * weights[old], weights[new]])


def _decision(evidence: _Evidence, model: _Model, choice: _Choice) -> dict[str, JsonValue]:
    best: dict[str, JsonValue] = {} if evidence.best is None else {"best": evidence.best}
    return {
        "strategy": "tpe", "why": choice.why, **best, "nearest": _nearest(evidence, model, choice.row),
        "model": {"good": len(evidence.good), "log_ratio": float(choice.log_ratio)},
    }  # fmt: skip


def _nearest(evidence: _Evidence, model: _Model, row: Floats) -> list[JsonValue]:
    """The three most alike trials of the model with a result, [number, distance], from 0 to 1.

    The distance is the root of the mean squared difference of positions, which is 1 for another choice or branch.
    """
    numbers = model.numbers[evidence.has_result[model.numbers]]
    rows = evidence.rows[numbers]
    apart = np.abs(rows - row)
    one_lacks = np.isnan(rows) != np.isnan(row)
    another_choice = ~model.positions.is_ordered & (apart > 0.0)
    apart = np.where(one_lacks | another_choice, 1.0, np.nan_to_num(apart))
    distances = np.sqrt(np.mean(apart * apart, axis=1))
    return [[int(numbers[i]), float(distances[i])] for i in np.argsort(distances, kind="stable")[:3]]
