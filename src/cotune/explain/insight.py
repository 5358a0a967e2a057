"""What a study's results say about its hyperparameters: the values that `study.explain()` gives."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cotune.printable import printable
from cotune.records import JsonValue

SAFE, DOUBTFUL = 0.8, 0.5
"""Rank correlations of a rung with the end: from the first one on stopping there is safe, below the other a gamble."""
TRUSTED = 0.5
"""Below this share of the differences explained, what an insight says is a first guess."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the objective's variance over the space, in [0, 1], with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a hyperparameter matters.

    first: what it explains alone. total: with all its interactions. top: its share of what tells the best 10 % of the
    space from the rest (all shares add up to 1); None with too few results.
    """

    name: str
    first: Share
    total: Share
    top: float | None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What two hyperparameters explain together beyond what each explains alone."""

    first: str
    second: str
    share: Share


@dataclass(frozen=True, slots=True)
class Dependence:
    """The predicted objective at values of one hyperparameter, averaged over all others.

    values: about 30 of a number, all choices otherwise. mean, low, high: the average with its 90 % band, in the
    objective's own sign and units. counts: how many results lie nearest to each value. is_log: whether it is searched
    in its logarithm.
    """

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
    """A change on the way from the start to the best configuration. value: the predicted objective after it."""

    name: str
    before: JsonValue
    after: JsonValue
    value: float


@dataclass(frozen=True, slots=True)
class Rungs:
    """Spearman's rank correlation of the objective at `step` with that at `until`, among n trials that came there."""

    step: int
    until: int
    correlation: float
    n: int


@dataclass(frozen=True, slots=True)
class Insight:
    """What the results of a study say about one objective.

    importance: in the order of the total shares; empty with too few results. interactions: the ten largest. start,
    start_value: where the path of changes to the best configuration begins, and what is predicted there. rule: in
    words where the best results are to be found, "" if nothing can be said. hints: advice on the space's bounds.
    explained: share of the results' variance that is predicted for each result from the others (R2); what all shares
    are worth. rungs: whether early results tell who will win. notes: what could not be said, and why.
    """

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

    def __str__(self) -> str:
        goal = f"{'raises' if self.maximise else 'lowers'} {printable(self.objective)}"
        head = f"what {goal} ({self.n_results} {'result' if self.n_results == 1 else 'results'})"
        lines = [head, *("  ".join(cells) for cells in _aligned(list(_rows(self)))), *self._words()]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head, *rows = _rows(self) if self.importance else [()]
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        return f"<div>{table}{''.join(f'<p>{html.escape(line)}</p>' for line in self._words())}</div>"

    def _words(self) -> list[str]:
        return [printable(line) for line in (self.rule, *self.hints, *self.notes) if line]


def _rows(insight: Insight) -> Iterator[tuple[str, ...]]:
    if insight.importance:
        yield printable(insight.objective), "alone", "in all", "90 %", "top 10 %"
    for name, own in insight.importance.items():
        top = "" if own.top is None else f"{own.top:.0%}"
        yield printable(name), f"{own.first.value:.0%}", f"{own.total.value:.0%}", interval(own.total), top


def interval(share: Share) -> str:
    """`12-15%`: where the share lies with 90 % probability."""
    return f"{100 * share.low:.0f}-{100 * share.high:.0f}%"


def _aligned(rows: list[tuple[str, ...]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [cell.rjust(width) if place else cell.ljust(width)
         for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    ]  # fmt: skip
