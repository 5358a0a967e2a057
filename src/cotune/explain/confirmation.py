"""What came of training the best configurations again, and what that says about them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, median
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cotune.numerics.student import interval_factor
from cotune.records import CONFIRMATION, History
from cotune.spelled import shown

Floats = NDArray[np.float64]

_Key = TypeVar("_Key", int, int | None)
_DRAWS = 4000
_SURE = 0.95


@dataclass(frozen=True, slots=True)
class Score:
    """What one training measured. error: its standard error over folds; NaN without folds."""

    value: float
    error: float = math.nan


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that was trained again, once per seed.

    trial: whose it is; None for the space's default configuration. observed: what the search saw of it. values: one per
    seed, of those that did not fail. mean: of them. low, high: between these lies with 95 % a score on samples that
    nobody has seen, as many as validated. probability_best: that no other trial is better on average.
    """

    trial: int | None
    observed: float
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    probability_best: float


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The best configurations trained again on fresh splits and seeds.

    candidates: the best first. chosen: the trial that is best on average. default: the same of the space's default
    configuration, if that is legal. optimism: by how much the best result of the search was better than its trial is on
    average. probability_better: that the chosen trial is better than the default one on average. warnings: in words.
    """

    objective: str
    maximise: bool
    seeds: int
    candidates: tuple[Candidate, ...]
    chosen: int
    default: Candidate | None
    optimism: float
    probability_better: float
    warnings: tuple[str, ...]

    @property
    def best(self) -> Candidate:
        """Of the chosen trial."""
        return self.candidates[0]

    def to_json(self) -> dict[str, Any]:
        """As a setting of a study; None for what is not known."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Confirmation:
        """What `to_json` gave."""
        default, better = stored["default"], stored["probability_better"]
        return cls(
            objective=stored["objective"], maximise=stored["maximise"], seeds=stored["seeds"],
            candidates=tuple(_candidate(one) for one in stored["candidates"]), chosen=stored["chosen"],
            default=None if default is None else _candidate(default), optimism=stored["optimism"],
            probability_better=math.nan if better is None else better, warnings=tuple(stored["warnings"]),
        )  # fmt: skip

    def __str__(self) -> str:
        best = self.best
        lines = [
            f"trial {self.chosen}: {self.objective} {shown(best.mean)} over {self.seeds} trainings, "
            f"{shown(best.low)} to {shown(best.high)} on new samples (the search saw {shown(best.observed)})",
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'default' if one.trial is None else one.trial}</td><td>{shown(one.observed)}</td>"
            f"<td>{shown(one.mean)}</td><td>{shown(one.low)} to {shown(one.high)}</td>"
            f"<td>{one.probability_best:.0%}</td></tr>"
            for one in (*self.candidates, *(() if self.default is None else (self.default,)))
        )
        head = "<tr><th>trial</th><th>observed</th><th>mean</th><th>95 %</th><th>best with</th></tr>"
        warnings = "".join(f"<p>{html.escape(warning)}</p>" for warning in self.warnings)
        return f"<table><caption>{html.escape(self.objective)}</caption>{head}{rows}</table>{warnings}"


def confirmation_of(history: History) -> Confirmation | None:
    """What a study's settings hold; None if nothing was confirmed, or new results came since."""
    return None if history.confirmed() is None else Confirmation.from_json(history.settings[CONFIRMATION])


def _candidate(stored: Mapping[str, Any]) -> Candidate:
    known = {name: math.nan if stored[name] is None else stored[name] for name in ("observed", "mean", "low", "high")}
    return Candidate(**{**stored, **known, "values": tuple(stored["values"])})


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What scores were measured on. samples: that validate, None if that is not known. folds: of each training.

    overlap: samples that validated per sample that trained. is_fresh: whether each training validated on other samples.
    most: no score is higher. observed: all results of the search.
    """

    samples: int | None
    folds: int
    overlap: float
    is_fresh: bool
    most: float
    observed: Sequence[float]


def judged(
    objective: tuple[str, bool],
    scores: Mapping[int | None, Sequence[Score | None]],
    observed: Mapping[int | None, float],
    about: Circumstances,
    draw: np.random.Generator,
) -> Confirmation:
    """What trainings with the same seeds say of trials, and of the default configuration (None).

    scores: per candidate one for each seed, None for a training that failed. At least one trial never failed.
    """
    name, maximise = objective
    sign = -1.0 if maximise else 1.0
    whole = {trial: own for trial, own in scores.items() if all(score is not None for score in own)}
    sound = {trial: [score for score in own if score is not None] for trial, own in scores.items()}
    trials = [trial for trial in whole if trial is not None]
    values = {trial: np.array([score.value for score in sound[trial]]) for trial in whole}
    spread, freedom = _spread([sound[trial] for trial in trials], about.folds)
    residual = _residual([values[trial] for trial in trials], spread / math.sqrt(about.folds))
    chance: dict[int | None, float] = {
        **_probability_best({trial: sign * values[trial] for trial in trials}, residual, about.overlap, draw)
    }
    limits = _Limits(spread, freedom, about.most)
    found = {trial: _seen(trial, observed[trial], own, limits, chance.get(trial, 0.0)) for trial, own in sound.items()}
    ranked = sorted(trials, key=lambda trial: (sign * found[trial].mean, trial))
    failed = [trial for trial in scores if trial is not None and trial not in whole]
    lucky = min((trial for trial in found if trial is not None), key=lambda trial: (sign * observed[trial], trial))
    default = found.get(None)
    better = 0.0
    if None in whole:
        pair = {ranked[0]: sign * values[ranked[0]], None: sign * values[None]}
        gap = _residual(list(pair.values()), 0.0)
        better = _probability_best(pair, gap, about.overlap, draw)[ranked[0]]
    optimism = sign * (found[lucky].mean - observed[lucky])
    made = Confirmation(
        name, maximise, max(len(own) for own in scores.values()),
        tuple(found[trial] for trial in (*ranked, *failed)), ranked[0], default, optimism,
        better if None in whole else math.nan, (),
    )  # fmt: skip
    return _warned(made, failed, residual.spread, about)


class _Limits(NamedTuple):
    """How much the score of one held-out part varies, its degrees of freedom, and the most that a score can be."""

    spread: float
    freedom: int
    most: float


def _seen(trial: int | None, observed: float, scores: Sequence[Score], limits: _Limits, chance: float) -> Candidate:
    values = tuple(score.value for score in scores)
    mean = fmean(values) if values else math.nan
    reach = interval_factor(limits.freedom) * limits.spread * math.sqrt(1 + 1 / max(len(values), 1))
    return Candidate(trial, observed, values, mean, mean - reach, min(mean + reach, limits.most), chance)


def _spread(scores: Sequence[Sequence[Score]], folds: int) -> tuple[float, int]:
    """How much the score of one held-out part varies, and its degrees of freedom: pooled over the candidates.

    With folds, that of a fold; the mean over folds varies less than a new sample of a fold's size would.
    """
    n = min(len(own) for own in scores)
    freedom = len(scores) * (n - 1)
    between = fmean([float(np.var([score.value for score in own], ddof=1)) if n > 1 else 0.0 for own in scores])
    errors = [score.error for own in scores for score in own if not math.isnan(score.error)]
    within = folds * fmean([error**2 for error in errors]) if errors else 0.0
    return math.sqrt(max(between, within)), freedom + (len(errors) * (folds - 1) if errors else 0)


class _Residual(NamedTuple):
    """How much results of equally good trials differ that were validated on the same samples; degrees of freedom."""

    spread: float
    freedom: int


def _residual(values: Sequence[Floats], otherwise: float) -> _Residual:
    """What is left of values (k, seeds) without the means of candidates and of seeds; of one candidate `otherwise`."""
    table = np.stack(values)
    k, n = table.shape
    if k == 1:
        return _Residual(otherwise, n - 1)
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (k - 1) * (n - 1)
    return _Residual(math.sqrt(float(np.sum(left**2)) / freedom), freedom)


def _probability_best(
    losses: Mapping[_Key, Floats], residual: _Residual, overlap: float, draw: np.random.Generator
) -> dict[_Key, float]:
    """How probable it is of each that its expected loss is the lowest, by paired losses (seeds,).

    Means have a t distribution; their variance is residual**2 (1 / seeds + overlap), because trainings share samples
    (Nadeau & Bengio 2003, "Inference for the generalization error", eq. 8).
    """
    means = np.array([column.mean() for column in losses.values()])
    n = len(next(iter(losses.values())))
    scale = residual.spread * math.sqrt(1 / n + overlap)
    wide = np.sqrt(residual.freedom / draw.chisquare(residual.freedom, (_DRAWS, 1)))
    drawn = means + scale * wide * draw.standard_normal((_DRAWS, len(means)))
    is_lowest = drawn == drawn.min(axis=1, keepdims=True)
    shares = (is_lowest / is_lowest.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(zip(losses, shares.tolist(), strict=True))


def _warned(made: Confirmation, failed: Sequence[int], chance: float, about: Circumstances) -> Confirmation:
    found = [
        *_failures(failed), *_doubts(made), *_luck(made, chance, about),
        *(() if about.is_fresh else (
            "all trainings were validated on the same samples, so that these intervals do not know how lucky their "
            "choice was; give the task data to divide, e.g. validation=ct.KFold(5)",
        )),
    ]  # fmt: skip
    return replace(made, warnings=tuple(found))


def _failures(failed: Sequence[int]) -> list[str]:
    return [f"trial {trial} failed when it was trained again, and cannot be chosen" for trial in failed]


def _doubts(made: Confirmation) -> list[str]:
    found = []
    if made.default is not None and made.probability_better < _SURE:
        gain = abs(made.best.mean - made.default.mean)
        found.append(
            f"the gain over the default configuration, {shown(gain)}, is within the noise: the chosen trial is better "
            f"with a probability of {made.probability_better:.0%}"
        )
    close = [one.trial for one in made.candidates[1:] if one.probability_best > 1 - _SURE]
    if close and made.best.probability_best < _SURE:
        others = ", ".join(str(trial) for trial in close)
        found.append(
            f"trial {made.chosen} is the best with a probability of {made.best.probability_best:.0%}; {others} may be "
            "as good, so choose among them by cost"
        )
    return found


def _luck(made: Confirmation, chance: float, about: Circumstances) -> list[str]:
    """The luckiest of n draws lies about sqrt(2 ln n) standard deviations beyond the mean."""
    n = len(about.observed)
    luck = chance * math.sqrt(2 * math.log(max(n, 1)))
    middle = made.default.mean if made.default is not None else median(about.observed)
    gain = abs(made.best.mean - middle)
    if luck <= gain or n < 2:
        return []
    samples = "" if about.samples is None else f" on {about.samples} samples"
    return [
        f"{n} trials were compared{samples}: by luck alone the best of them looks about {shown(luck)} better than it "
        f"is, more than the {shown(gain)} that it gains. Validate on more samples, e.g. ct.KFold(5), or compare fewer"
    ]
