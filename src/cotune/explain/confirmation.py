"""What came of training the best configurations again, as a study keeps and shows it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cotune.records import CONFIRMATION, History
from cotune.spelled import counted, shown


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that was trained again, once per seed.

    trial: whose it is; None for the default configuration. observed: what the search saw of it. values: one per seed,
    of those that did not fail. mean: of them. low, high: between these lies with 95 % the score of one more training on
    as many new samples as validated a model. probability_best: that no other trial is better on average.
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

    is_fresh: whether every training had validation samples of its own. candidates: the best first. chosen: the trial
    that is best on average. default: the same of the default configuration: the space's first start, or else its
    defaults and middles; None if the rules forbid it. optimism: by how much the best result of the search was better
    than its trial is on average. probability_better: that the chosen trial is better than the default on average; NaN
    if it is the default. warnings: in words.
    """

    objective: str
    maximise: bool
    seeds: int
    is_fresh: bool
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

    @property
    def compared(self) -> tuple[Candidate, ...]:
        """All candidates, and the default configuration if it is none of them."""
        return (*self.candidates, *(() if self.default is None or self.default.trial is not None else (self.default,)))

    @property
    def trainings(self) -> str:
        """How each configuration was trained, in words."""
        own = "a seed and validation samples" if self.is_fresh else "a seed"
        return f"{counted(self.seeds, 'training')} of each, every one with {own} of its own"

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
            is_fresh=stored["is_fresh"], chosen=stored["chosen"],
            candidates=tuple(_candidate(one) for one in stored["candidates"]),
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
            for one in self.compared
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
