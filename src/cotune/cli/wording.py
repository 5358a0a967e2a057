"""A study and its trials in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotune.explain import failures
from cotune.printable import printable
from cotune.records import CAUSES, DecisionRecord, Failure, State, Trial
from cotune.schedulers import has_shown_that_it_reports_too_little
from cotune.spelled import counted, duration, first_line, shown
from cotune.study import Study

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_MOST_SHOWN = 80
CHOSEN = ("strategy", "scheduler")
"""What `auto` may choose; the settings of these names say what and why."""


def title(study: Study) -> str:
    """Where the study is and what it optimises: `runs/demo: maximize accuracy`."""
    goals = ", ".join(f"{direction} {name}" for name, direction in study.objectives.items())
    return printable(f"{study.path or 'study in memory'}: {goals}")


def progress(study: Study) -> list[tuple[str, str]]:
    """How far the study is and how it chooses, as names and facts."""
    return [
        ("trials", counts(study)),
        ("trained", trained(study.history.seconds)),
        ("failed", failed(study)),
        *chosen(study),
        ended(study),
    ]


def scores(metrics: Mapping[str, float], study: Study) -> str:
    """Metrics on one line, the objectives first: `accuracy 0.98, loss 0.061`."""
    return printable(", ".join(f"{name} {shown(metrics[name])}" for name in ordered(metrics, study)))


def ordered(metrics: Iterable[str], study: Study) -> list[str]:
    """Names of metrics, the objectives first."""
    names = list(metrics)
    return [name for name in study.objectives if name in names] + [n for n in names if n not in study.objectives]


def settings(config: Mapping[str, Any]) -> str:
    """A configuration on one line: `hidden 64, optimizer adam`."""
    return ", ".join(f"{printable(name)} {printable(shown(value))}" for name, value in config.items())


def counts(study: Study) -> str:
    """How many trials are where: `12 of 60: 10 done, 2 running`."""
    history, budget = study.history, study.settings.get("trials") or 0
    states = ", ".join(f"{n} {state}" for state in State if (n := history.count(state)))
    states = f"{states} ({counted(len(history.forks), 'fork')})" if history.forks else states
    return f"{history.n_proposed} of {budget}: {states}" if 0 < history.n_proposed < budget else states or "none yet"


def winners(study: Study) -> str:
    """The best trial, or how many there are on the front."""
    front = study.front
    if not front:
        return "no trial has a result yet"
    if len(study.objectives) > 1:
        return f"{len(front)} on the front: trials {', '.join(str(winner.number) for winner in front)}"
    return winner(study.best.trial, study)


def winner(trial: Trial, study: Study) -> str:
    """A trial with its scores, and how far it came if it was left before its end."""
    is_left = trial.state in (State.PAUSED, State.STOPPED) and trial.steps
    where = f", {trial.state} after {trial.steps[-1]} of {study.history.steps} steps" if is_left else ""
    return f"trial {trial.number}{where}: {scores(trial.metrics, study)}"


def chosen(study: Study) -> list[tuple[str, str]]:
    """What `auto` chose, and why, as names and facts; nothing said where it was not asked."""
    told = {what: study.settings.get(what) for what in CHOSEN}
    said = {
        what: f"{printable(one['name'])}, chosen by auto: {printable(one['why'])}" if one else ""
        for what, one in told.items()
    }
    if (told["scheduler"] or {}).get("name") == "asha" and has_shown_that_it_reports_too_little(study.history):
        said["scheduler"] += "; but the function does not report at every rung, so its trials are trained to their ends"
    return list(said.items())


def workers(study: Study) -> str:
    """Who is at work, and what dead workers left behind."""
    alive, holders = study.workers, study.history.running.values()
    left = sum(holder not in alive for holder in holders)
    at_work = f"{len(alive)} at work" if alive else "none at work"
    trials = "trial" if left == 1 else "trials"
    return f"{at_work}; {left} unfinished {trials} of dead workers, for the next run to take up" if left else at_work


def trained(seconds: float) -> str:
    """Training time; empty where none was measured."""
    return duration(seconds) if seconds else ""


def proposed(record: DecisionRecord) -> str:
    """Who proposed a trial, and why: `proposed by bayesian: expected improvement`."""
    name = record.strategy or "an unknown strategy"
    by = {"enqueued": "enqueued by hand", "start": "a starting point of the space"}.get(name, f"proposed by {name}")
    return printable(f"{by}: {record.why}" if record.why else by)


def scheduled(record: Mapping[str, Any]) -> str:
    """Why the scheduler let a trial go on, or gave it up."""
    details = [f"{name.replace('_', ' ')} {_spelled(value)}" for name, value in record.items() if name != "why"]
    return printable("; ".join([*([str(record["why"])] if "why" in record else []), ", ".join(details)]).strip("; "))


def failed(study: Study) -> str:
    """What failed and how often, a line for each kind, with the last trial of it."""
    return "\n".join(
        f"{len(kind.trials)} x {kind.cause}{f' ({printable(kind.error)})' if kind.error else ''}, "
        f"the last one is trial {kind.trials[-1]}: {printable(first_line(kind.reason, _MOST_SHOWN))}"
        for kind in failures(study.history)
    )


def failure(failed: Failure) -> str:
    """Why a trial failed."""
    meaning = CAUSES.get(failed.cause, printable(failed.cause))
    return f"{meaning}: {printable(failed.reason)}"


def ended(study: Study) -> tuple[str, str]:
    """Why the search ended; a search that still trains is ending. Both empty while it goes on."""
    words = study.ended
    if words is None:
        return "", ""
    return "ending" if study.history.running else "ended", printable(words)


def stopping(told: Mapping[str, Any]) -> str:
    """What ends the search, by the names of the arguments: `target accuracy 0.97, patience 30`."""
    return ", ".join(
        f"{name} {settings(value)}" if isinstance(value, dict) else printable(f"{name} {shown(value)}")
        for name, value in told.items()
    )


def sparkline(values: Sequence[float]) -> str:
    """A curve as a row of bars, low to high, at most 60 wide; a blank where a value is not finite.

    >>> sparkline([0.0, 0.5, 1.0, float("nan"), 1.0])
    '▁▄█ █'
    """
    picked = values
    if len(values) > _WIDTH:
        picked = [values[i * (len(values) - 1) // (_WIDTH - 1)] for i in range(_WIDTH)]
    finite = [value for value in picked if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(value, low, high) if math.isfinite(value) else " " for value in picked)


def curve(values: Sequence[float]) -> str:
    """A curve in one line: bars, the first and the last value."""
    return f"{sparkline(values)}  {shown(values[0])} to {shown(values[-1])}" if len(values) else ""


def _bar(value: float, low: float, high: float) -> str:
    if high <= low:
        return _BARS[0]
    scale = 1.0 if math.isfinite(high - low) else 0.5  # the span of two floats may overflow
    share = (scale * value - scale * low) / (scale * high - scale * low)
    return _BARS[int(share * (len(_BARS) - 1))]


def _spelled(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool) or value is None else shown(value)
