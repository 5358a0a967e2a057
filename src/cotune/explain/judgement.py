"""What trainings with the same seeds say of configurations: how good, how sure, and what not to trust."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cotune.explain.confirmation import Candidate, Confirmation
from cotune.numerics.student import interval_factor
from cotune.spelled import shown

Floats = NDArray[np.float64]
Scores = Mapping[int | None, Sequence[Floats | None]]
"""Per candidate, None for the default configuration: for each seed the scores (folds,), or None where it failed."""

_DRAWS = 4000
_SURE = 0.95
_Key = TypeVar("_Key", int, int | None)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What scores were measured on.

    samples: that validate a model, None if that is not known. folds: of each training. overlap: samples that validated
    per sample that trained. is_fresh: whether each training validated on other samples. is_share: whether scores lie
    between 0 and 1. observed: all results of the search. same: the trial that has the default configuration. advice:
    what would make results surer.
    """

    samples: int | None
    folds: int
    overlap: float
    is_fresh: bool
    is_share: bool
    observed: Sequence[float]
    same: int | None
    advice: str


class _Spread(NamedTuple):
    """A standard deviation and its degrees of freedom."""

    value: float
    freedom: int


def judged(
    objective: tuple[str, bool],
    scores: Scores,
    observed: Mapping[int | None, float],
    about: Circumstances,
    draw: np.random.Generator,
) -> Confirmation:
    """The confirmation. At least one trial never failed."""
    name, maximise = objective
    sign = -1.0 if maximise else 1.0
    whole = {key: np.concatenate([s for s in own if s is not None]) for key, own in scores.items() if _is_whole(own)}
    trials = [trial for trial in whole if trial is not None]
    chance = _probability_best({trial: sign * whole[trial] for trial in trials}, about, draw)
    spread = _spread([whole[trial] for trial in trials])
    found = {key: _seen(key, observed[key], own, spread, about) for key, own in scores.items()}
    found |= {trial: replace(found[trial], probability_best=chance[trial]) for trial in trials}
    ranked = sorted(trials, key=lambda trial: (sign * found[trial].mean, trial))
    failed = [trial for trial in scores if trial is not None and trial not in whole]
    default = about.same
    better = math.nan
    if default in whole and default != ranked[0]:
        pair: dict[int | None, Floats] = {key: sign * whole[key] for key in (ranked[0], default)}
        better = _probability_best(pair, about, draw)[ranked[0]]
    lucky = min((one for one in found if one is not None), key=lambda trial: (sign * observed[trial], trial))
    made = Confirmation(
        name, maximise, max(len(own) for own in scores.values()), about.is_fresh,
        tuple(found[trial] for trial in (*ranked, *failed)), ranked[0], found.get(default),
        sign * (found[lucky].mean - observed[lucky]), better, (),
    )  # fmt: skip
    residual = _residual([whole[trial] for trial in trials], about)
    return replace(made, warnings=tuple(_warnings(made, failed, residual.value, about)))


def _is_whole(scores: Sequence[Floats | None]) -> bool:
    return all(score is not None for score in scores)


def _seen(
    trial: int | None, observed: float, scores: Sequence[Floats | None], spread: _Spread, about: Circumstances
) -> Candidate:
    values = tuple(float(score.mean()) for score in scores if score is not None)
    mean = fmean(values) if values else math.nan
    n = max(len(values) * about.folds, 1)
    reach = interval_factor(spread.freedom) * spread.value * math.sqrt(1 + 1 / n)
    low, high = (0.0, 1.0) if about.is_share else (-math.inf, math.inf)
    return Candidate(trial, observed, values, mean, max(mean - reach, low), min(mean + reach, high), 0.0)


def _spread(values: Sequence[Floats]) -> _Spread:
    """How much the score of one held-out part varies: pooled over the candidates, (n,) each."""
    freedom = sum(len(own) - 1 for own in values)
    squares = sum(float(np.sum((own - own.mean()) ** 2)) for own in values)
    return _Spread(math.sqrt(squares / freedom), freedom)


def _residual(values: Sequence[Floats], about: Circumstances) -> _Spread:
    """How much scores of equally good candidates differ that were validated on the same samples.

    That is what is left of values (k, n) without the means of candidates and of parts. It is never less than if a
    single sample made the difference: few scores that are shares of few samples agree by chance.
    """
    table = np.stack(values)
    k, n = table.shape
    if k == 1:
        return _spread(values)
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (k - 1) * (n - 1)
    least = math.sqrt(0.5) / about.samples if about.is_share and about.samples else 0.0
    return _Spread(max(math.sqrt(float(np.sum(left**2)) / freedom), least), freedom)


def _probability_best(
    losses: Mapping[_Key, Floats], about: Circumstances, draw: np.random.Generator
) -> dict[_Key, float]:
    """How probable it is of each that its expected loss is the lowest, by losses (n,) on the same parts.

    Means have a t distribution with the variance residual**2 (1 / n + overlap), because trainings share samples (Nadeau
    & Bengio 2003, "Inference for the generalization error", eq. 8; with folds Bouckaert & Frank 2004).
    """
    means = np.array([column.mean() for column in losses.values()])
    n = len(next(iter(losses.values())))
    residual = _residual(list(losses.values()), about)
    scale = residual.value * math.sqrt(1 / n + about.overlap)
    wide = np.sqrt(residual.freedom / draw.chisquare(residual.freedom, (_DRAWS, 1)))
    drawn = means + scale * wide * draw.standard_normal((_DRAWS, len(means)))
    is_lowest = drawn == drawn.min(axis=1, keepdims=True)
    shares = (is_lowest / is_lowest.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(zip(losses, shares.tolist(), strict=True))


def _warnings(made: Confirmation, failed: Sequence[int], residual: float, about: Circumstances) -> list[str]:
    found = [f"trial {trial} failed when it was trained again, and cannot be chosen" for trial in failed]
    return [*found, *_against_default(made, about), *_rivals(made), *_luck(made, residual, about), *_fixed(made, about)]


def _gain(made: Confirmation) -> float:
    """By how much the chosen trial is better than the default configuration; NaN if that is not known."""
    if made.default is None or made.default.trial == made.chosen:
        return math.nan
    return (made.best.mean - made.default.mean) * (1 if made.maximise else -1)


def _against_default(made: Confirmation, about: Circumstances) -> list[str]:
    if about.same == made.chosen:
        return [f"the search found nothing better than the default configuration, which is trial {made.chosen}"]
    if made.default is None:
        return []
    gain, sure = _gain(made), made.probability_better
    if math.isnan(made.default.mean):
        return ["the default configuration failed when it was trained; nothing is known of what the search gained"]
    if gain < 0:
        return [f"the default configuration is better, by {shown(-gain)} on average; enqueue it, or use it"]
    if sure < _SURE:
        return [
            f"the gain over the default configuration, {shown(gain)}, is within the noise: the chosen trial is better "
            f"with a probability of {sure:.0%}"
        ]
    return []


def _rivals(made: Confirmation) -> list[str]:
    close = [one.trial for one in made.candidates[1:] if one.probability_best > 1 - _SURE]
    if not close or made.best.probability_best >= _SURE:
        return []
    others = ", ".join(str(trial) for trial in close)
    return [
        f"trial {made.chosen} is the best with a probability of {made.best.probability_best:.0%}; {others} may be as "
        "good, so choose among them by cost"
    ]


def _luck(made: Confirmation, residual: float, about: Circumstances) -> list[str]:
    """The luckiest of n draws lies about sqrt(2 ln n) standard deviations beyond the mean."""
    n, gain = len(about.observed), _gain(made)
    if math.isnan(gain) and made.default is None:
        gain = abs(made.best.mean - median(about.observed))
    luck = residual / math.sqrt(about.folds) * math.sqrt(2 * math.log(max(n, 1)))
    if not 0 <= gain < luck:
        return []
    samples = "" if about.samples is None else f" on {about.samples * about.folds} samples"
    return [
        f"{n} trials were compared{samples}: by luck alone the best of them looks about {shown(luck)} better than it "
        f"is, more than the {shown(gain)} that it gains. {about.advice}"
    ]


def _fixed(made: Confirmation, about: Circumstances) -> list[str]:
    if about.samples is None and all(len(set(one.values)) <= 1 for one in made.candidates):
        return ["all trainings of a configuration gave the same value: their seeds change nothing, and nothing is "
                "known of luck; use trial.seed in the function"]  # fmt: skip
    if about.samples is not None and not about.is_fresh:
        return ["all trainings were validated on the same samples, so that these intervals do not know how lucky the "
                "choice of these was"]  # fmt: skip
    return []
