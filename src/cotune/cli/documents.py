"""What `--json` prints: one strict JSON document. Fields may be added, never renamed or removed.

winner   {number, config, metrics}: config maps active parameters to values, metrics are those of the last step
winners  {best: winner or null, front: [winner], confirmation: confirmation or null}: best is null without a result and
         with several objectives; best has its schedule: {epochs, stages: [{from, config}]}
confirmation  {objective, maximise, seeds, candidates: [{trial, observed, values, mean, low, high, probability_best}],
         chosen, default: like a candidate, or null, optimism, probability_better, warnings}
study    winners and {path, objectives, seed, trials: {total, waiting, running, paused, done, failed, stopped, forks},
         seconds, settings, workers: [name], ended: why the search ended, or null,
         failures: [{cause, error, trials: [number], reason}]}
trial    winner and {state, steps, curve, seconds, attempts, task, parent: [trial, step] or null, decision,
         failure: {cause, reason, traceback} or null}
explained trial  {number, state, objective, maximise, decision: {strategy, why, results, pending, predicted: {mean, low,
         high} or null, also_predicted: [[name, predicted]], expected_improvement, largest_improvement, noise, explore,
         nearest: [[number, distance]], best, promotions, stop, replaces, changed: [[name, old, new]], rank, of, rung},
         parent: [trial, step] or null, best_value, evidence: [{number, distance, state, value,
         differences: [{name, here, there}]}], value, step, steps, deviations, failure}
report   {path, bytes}
replay   {number, steps, is_same, deviations: [{metric, step, recorded, replayed}], machine: {name: [then, now]}}
explained study  {objectives, auto: {name, why} or null, scheduler: the same, calibration: {n, n_judged, within_one,
         within_two, mean_error, bias} or null, strategies: {name: trials}, periods: [{first, last, n, explore}],
         insights: [insight], one for each objective}
insight  {objective, maximise, n_results, importance: {name: {name, first: share, total: share, top}}, interactions:
         [{first, second, share}], dependence: {name: {name, values, mean, low, high, counts, is_log, is_number}},
         start: config, start_value, path: [{name, before, after, value}], rule, hints, explained, rungs: [{step, until,
         correlation, n}], notes}; a share is {value, low, high}

A number that is not finite is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from cotune.explain import failures
from cotune.records import State, Trial
from cotune.study import Best, Study


def as_text(document: Any) -> str:
    """The document as strict JSON; characters beyond ASCII are escaped, so any terminal can take it."""
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def print_json(document: Any) -> None:
    """Write the document to standard output."""
    click.echo(as_text(document), nl=False)


def _finite(value: Any) -> Any:
    """The same with plain containers, and None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def of_winner(winner: Trial | Best) -> dict[str, Any]:
    """`winner` above."""
    return {"number": winner.number, "config": dict(winner.config), "metrics": dict(winner.metrics)}


def of_best(best: Best) -> dict[str, Any]:
    """`best` above."""
    return {**of_winner(best), "schedule": json.loads(best.schedule.to_json())}


def of_winners(study: Study) -> dict[str, Any]:
    """`winners` above."""
    front = [of_winner(winner) for winner in study.front]
    best = of_best(study.best) if front and len(study.objectives) == 1 else None
    confirmation = study.confirmation
    return {"best": best, "front": front, "confirmation": None if confirmation is None else confirmation.to_json()}


def of_study(study: Study) -> dict[str, Any]:
    """`study` above."""
    history = study.history
    counts = {str(state): history.count(state) for state in State}
    return {
        "path": str(study.path) if study.path else None,
        "objectives": study.objectives,
        "seed": study.seed,
        "trials": {"total": len(history), **counts, "forks": len(history.forks)},
        "seconds": history.seconds,
        "settings": study.settings,
        "workers": sorted(study.workers),
        "ended": study.ended,
        "failures": [asdict(kind) for kind in failures(history)],
        **of_winners(study),
    }


def of_trial(trial: Trial) -> dict[str, Any]:
    """`trial` above."""
    return {
        **of_winner(trial),
        "state": str(trial.state),
        "steps": list(trial.steps),
        "curve": dict(trial.curve),
        "seconds": trial.seconds,
        "attempts": trial.attempts,
        "task": trial.task,
        "parent": trial.parent,
        "decision": dict(trial.decision),
        "failure": asdict(trial.failure) if trial.failure else None,
    }
