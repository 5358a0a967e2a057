"""Why one trial was proposed, on what evidence, and what came of it: a pure function of the history."""

from __future__ import annotations

from dataclasses import dataclass

from cotune.config import Config
from cotune.records import DecisionRecord, Failure, History, JsonValue, Prediction, State, read_decision


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter whose value in a trial is not the one in another trial; None also where it is inactive."""

    name: str
    here: JsonValue
    there: JsonValue


@dataclass(frozen=True, slots=True)
class Evidence:
    """A trial that spoke for or against a config. distance: in the strategy's own measure. value: its first objective.

    differences: in the order of the space; `there` is this trial.
    """

    number: int
    distance: float
    state: State
    value: float | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why trial `number` was proposed, and what came of it.

    objective: the metric that `predicted` and `value` are of. maximise: whether more of it is better. decision: what
    was said when the trial was proposed. parent: (trial, step) that a fork went on from. best_value: result of the
    trial that was the best then. value: after `step` of at most `steps`, those of a trial that is paused or was stopped
    too. deviations: how many standard deviations, noise included, the value lies above the prediction (below:
    negative); None without both.
    """

    number: int
    state: State
    objective: str
    maximise: bool
    decision: DecisionRecord
    parent: tuple[int, int] | None
    best_value: float | None
    evidence: tuple[Evidence, ...]
    value: float | None
    step: int
    steps: int | None
    deviations: float | None
    failure: Failure | None

    @property
    def predicted(self) -> Prediction | None:
        """What the result was expected to be."""
        return self.decision.predicted


def explanation(history: History, number: int) -> Explanation:
    """Why the trial was proposed, as its decision record says, and what came of it; 0 <= number < len(history)."""
    record = read_decision(history.decision(number))
    value = result(history, number)
    objective, maximise = next(iter(history.objectives.items()))
    return Explanation(
        number=number,
        state=history.state(number),
        objective=objective,
        maximise=maximise,
        decision=record,
        parent=history.parent(number),
        best_value=None if record.best is None else result(history, record.best),
        evidence=_evidence(history, number, record),
        value=value,
        step=history.step(number),
        steps=history.steps,
        deviations=None if value is None else record.deviations(value),
        failure=history.failure(number),
    )


def result(history: History, number: int) -> float | None:
    """The first objective of a trial at its end, or at the milestone where it was left; None for any other number."""
    if number >= len(history):
        return None
    return history.metrics(number).get(next(iter(history.objectives)))


def _evidence(history: History, number: int, record: DecisionRecord) -> tuple[Evidence, ...]:
    here = history.config(number)
    return tuple(
        Evidence(other, distance, history.state(other), result(history, other),
                 _differences(history.space.names, here, history.config(other)))
        for other, distance in record.nearest if other < len(history)
    )  # fmt: skip


def _differences(names: tuple[str, ...], here: Config, there: Config) -> tuple[Difference, ...]:
    pairs = ((name, here.get(name), there.get(name)) for name in names)
    return tuple(Difference(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs)
