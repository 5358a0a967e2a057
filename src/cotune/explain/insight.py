"""What a study found out about its space, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cotune.records import JsonValue


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the variance of an objective, with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a parameter matters: alone, with all its interactions, and for reaching the top 10 %."""

    name: str
    first: Share
    total: Share
    top: float | None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What two parameters do together that neither does alone."""

    first: str
    second: str
    share: Share


@dataclass(frozen=True, slots=True)
class Dependence:
    """The objective along one parameter, on average over the others, with a 90 % band."""

    name: str
    values: tuple[JsonValue, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]
    is_log: bool
    is_number: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the path from a start to the best."""

    name: str
    before: JsonValue
    after: JsonValue
    value: float


@dataclass(frozen=True, slots=True)
class Rungs:
    """Rank correlation between the objective at a rung and at the end."""

    step: int
    until: int
    correlation: float
    n: int


@dataclass(frozen=True, slots=True)
class Insight:
    """All of it, for one objective."""

    objective: str
    maximise: bool
    n_results: int
    importance: Mapping[str, Importance]
    interactions: tuple[Interaction, ...]
    dependence: Mapping[str, Dependence]
    start: Mapping[str, JsonValue]
    start_value: float | None
    path: tuple[Step, ...]
    rule: str
    hints: tuple[str, ...]
    explained: float | None
    rungs: tuple[Rungs, ...]
    notes: tuple[str, ...]
