"""Explanations in words: of one trial, and of a study's choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cotune.cli import wording
from cotune.explain import Calibration, Choices, Evidence, Explanation, Period
from cotune.printable import printable
from cotune.records import State
from cotune.spelled import counted, shown


def of_trial(found: Explanation) -> Iterator[tuple[str, str]]:
    """Why the trial was proposed and what came of it, as names and facts; a fact that is not known is empty."""
    record = found.decision
    yield "why", wording.proposed(record)
    yield "forked", _fork(found)
    yield "known", _known(found)
    yield "predicted", _prediction(found)
    yield "expected", _expected(found)
    yield "nearest", "\n".join(_evidence(evidence, found.objective) for evidence in found.evidence)
    yield "came", _outcome(found)
    yield "went on", "\n".join(map(wording.scheduled, record.promotions))
    yield "stopped", wording.scheduled(record.stop) if record.stop is not None else ""


def _fork(found: Explanation) -> str:
    """Where a fork went on from, whose place it took, and what it changed."""
    if found.parent is None:
        return ""
    record, (parent, step) = found.decision, found.parent
    stood = f" (rank {record.rank} of {record.of} then)" if record.rank and record.of else ""
    place = f", in place of trial {record.replaces}" if record.replaces is not None else ""
    changes = ", ".join(f"{printable(name)} {_setting(old)} -> {_setting(new)}" for name, old, new in record.changed)
    return f"from trial {parent} after {step} steps{stood}{place}: {changes or 'with the same configuration'}"


def _known(found: Explanation) -> str:
    record = found.decision
    facts = [
        counted(record.results, "result") if record.results is not None else "",
        f"{counted(record.pending, 'trial')} not finished" if record.pending else "",
        f"the best was trial {record.best}{_valued(found.best_value, found.objective)}"
        if record.best is not None
        else "",
    ]
    return ", ".join(fact for fact in facts if fact)


def _prediction(found: Explanation) -> str:
    """One line for every objective."""
    own = [(found.objective, found.predicted)] if found.predicted else []
    return "\n".join(
        f"{printable(name)} {shown(one.mean)}, {shown(one.low)} to {shown(one.high)} within one standard deviation"
        for name, one in (*own, *found.decision.also_predicted)
    )


def _expected(found: Explanation) -> str:
    """The expected improvement, where it comes from, and the noise to compare it with."""
    record = found.decision
    gain, largest, noise = record.expected_improvement, record.largest_improvement, record.noise
    of = f" of {printable(found.objective)}" if record.also_predicted else ""
    facts = [
        f"{shown(gain)} better than the best" if gain is not None else "",
        _balance(record.explore) if record.explore is not None else "",
        f"{shown(largest)} where no prior pulls" if largest is not None else "",
        f"noise {shown(noise)}{of}" if noise is not None else "",
    ]
    return "; ".join(fact for fact in facts if fact)


def _balance(explore: float) -> str:
    return f"{explore:.0%} of it explore, {1 - explore:.0%} exploit" if explore > 0 else "exploit"


def _evidence(evidence: Evidence, objective: str) -> str:
    came = _valued(evidence.value, objective) or f", {evidence.state}"
    changes = ", ".join(
        f"{printable(d.name)} {_setting(d.there)} there, {_setting(d.here)} here" for d in evidence.differences
    )
    return f"trial {evidence.number} at distance {shown(evidence.distance)}{came}: {changes or 'the same config'}"


def _setting(value: Any) -> str:
    return "none" if value is None else printable(shown(value))


def _valued(value: float | None, objective: str) -> str:
    return f", {printable(objective)} {shown(value)}" if value is not None else ""


def _outcome(found: Explanation) -> str:
    if found.failure is not None:
        return wording.failure(found.failure)
    if found.value is None:
        return f"no result: it is {found.state}"
    left = {State.PAUSED: "where it is paused", State.STOPPED: "where it was stopped"}.get(found.state)
    after = f" after {found.step} of {found.steps} steps, {left}" if left else ""
    came = f"{printable(found.objective)} {shown(found.value)}{after}"
    if found.predicted is None:
        return came
    return f"{came}, {_off(found.value, found.predicted.mean, found.deviations, found.maximise)}"


def _off(value: float, mean: float, deviations: float | None, maximise: bool) -> str:
    if value == mean:
        return "exactly as predicted"
    side = "above" if value > mean else "below"
    verdict = "better" if (value > mean) is maximise else "worse"
    distance = shown(abs(value - mean)) if deviations is None else f"{abs(deviations):.1f} standard deviations"
    return f"{distance} {side} the prediction ({verdict})"


def of_choices(choices: Choices, predictions: Calibration | None) -> Iterator[tuple[str, str]]:
    """Who chose, how well the results were foreseen and how much was exploring, as names and facts."""
    yield "proposed", _proposed(choices)
    yield "predicted", _calibration(predictions)
    yield "error", _error(predictions) if predictions else ""
    yield "explore", _periods(choices)


def _proposed(choices: Choices) -> str:
    special = {"": "by an unknown strategy", "enqueued": "enqueued by hand", "start": "starting points of the space"}
    named = ((special.get(name, f"by {printable(name)}"), n) for name, n in choices.strategies.items())
    return ", ".join(f"{n} {origin}" for origin, n in named) or "none yet"


def _calibration(predictions: Calibration | None) -> str:
    if predictions is None:
        return "nothing: no trial has both a prediction and a result"
    if predictions.within_one is None or predictions.within_two is None:
        return f"{counted(predictions.n, 'result')}, without saying how certainly"
    return (
        f"{counted(predictions.n, 'result')}: {predictions.within_one:.0%} came within one standard deviation, "
        f"{predictions.within_two:.0%} within two (68% and 95% where the model judges itself rightly)"
    )


def _error(predictions: Calibration) -> str:
    side = "higher" if predictions.bias > 0 else "lower"
    return f"{shown(predictions.mean_error)} on average; results came {shown(abs(predictions.bias))} {side} on average"


def _periods(choices: Choices) -> str:
    return "\n".join(
        f"{_span(period)}: {period.explore:.0%} explore, {1 - period.explore:.0%} exploit" for period in choices.periods
    )


def _span(period: Period) -> str:
    return f"trial {period.first}" if period.first == period.last else f"trials {period.first} to {period.last}"
