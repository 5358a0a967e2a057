"""All that the results of a study say about its hyperparameters: a pure function of the history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cotune.errors import StudyError
from cotune.explain.insight import TRUSTED, Insight
from cotune.explain.results import Floats, Results, are_alike, results
from cotune.explain.rungs import rungs
from cotune.records import History, State

FEWEST = 10
"""With fewer results there is nothing to be said about importance."""


def insight(history: History, objective: str | None = None) -> Insight:
    """What the results say about an objective, the first one if none is named. The same bits for the same history.

    Loads torch where there are enough results. Raises StudyError for an objective that the study has not.
    """
    name = next(iter(history.objectives)) if objective is None else objective
    if name not in history.objectives:
        raise StudyError(f"the study has no objective {name!r}. Use one of {', '.join(map(repr, history.objectives))}.")
    found = results(history, name)
    if len(found) < FEWEST or are_alike(found.losses) or not history.space.dimension:
        return _little(history, found)
    return _much(history, found)


def _little(history: History, found: Results) -> Insight:
    """What can be said without a model."""
    n = len(found)
    why = f"{n} {'result' if n == 1 else 'results'} so far: importance needs at least {FEWEST}"
    if n and n == history.space.size:
        why = f"all {n} configurations were tried; importance needs at least {FEWEST} results"
    if n >= FEWEST:
        why = f"all {n} results are {found.sign * float(found.losses[0]):.5g}: no hyperparameter made a difference"
    return Insight(
        objective=found.objective, maximise=found.sign < 0, n_results=n, importance={}, interactions=(),
        dependence={}, start={}, start_value=None, path=(), rule="", hints=(), explained=None,
        rungs=rungs(history, found.objective), notes=(why, *_about(history, found)),
    )  # fmt: skip


def _much(history: History, found: Results) -> Insight:
    from cotune.explain.ablation import ablation, improving, predicted  # these load torch
    from cotune.explain.bounds import hints
    from cotune.explain.dependence import dependences
    from cotune.explain.importance import FEWEST_FOR_TOP, importances
    from cotune.explain.region import rule
    from cotune.explain.surrogate import ROWS, landscape, surrogate
    from cotune.numerics.threads import one_thread

    start, best = history.space.baseline(), history.config(_best(history, found))
    with one_thread():
        model = surrogate(history.space, found, history.seed)
        spread = landscape(model)
        importance, interactions = importances(model, spread, len(found), history.seed)
        dependence = dependences(model, found)
        start_value = None if start is None else predicted(model, found, start)
        steps = () if start is None else ablation(model, found, start, best)
        words = rule(model, spread, found, importance)
    path = () if start_value is None else improving(steps, start_value, maximise=found.sign < 0)
    notes = [
        *_worth(model.explained),
        *_about(history, found),
        *_limits(len(found), ROWS, FEWEST_FOR_TOP),
        *_branches(history, np.mean(~np.isnan(spread.units), axis=0)),
        *(["the rules forbid the defaults: there is no path from them"] if start is None else []),
        *(["the model expects nothing better of the best trial than of the defaults"] if steps and not path else []),
    ]
    return Insight(
        objective=found.objective, maximise=found.sign < 0, n_results=len(found), importance=importance,
        interactions=interactions, dependence=dependence, start=dict(start or {}), start_value=start_value, path=path,
        rule=words, hints=hints(history.space, found, dependence), explained=model.explained,
        rungs=rungs(history, found.objective), notes=tuple(notes),
    )  # fmt: skip


def _best(history: History, found: Results) -> int:
    """The number of the best trial of those that went furthest, or else of all."""
    furthest = np.isin(found.numbers, history.contenders())
    rows = np.flatnonzero(furthest if furthest.any() else np.ones(len(found), dtype=np.bool_))
    return int(found.numbers[rows[np.argmin(found.losses[rows])]])


def _worth(explained: float) -> Iterator[str]:
    if explained < TRUSTED:
        share = f"only {explained:.0%}" if explained > 0 else "nothing"
        yield f"the model explains {share} of the differences between results: take all this as a first guess"


def _about(history: History, found: Results) -> Iterator[str]:
    """Which results count, and how."""
    n_failed = history.count(State.FAILED)
    if n_failed:
        yield f"{n_failed} failed {'trial is' if n_failed == 1 else 'trials are'} left out"
    if found.n_left:
        yield f"{found.n_left} of the results are of trials that were left before their end, as they stood there"
    if found.n_far:
        yield f"{found.n_far} {'result' if found.n_far == 1 else 'results'} far off all others count as less far"
    others = [name for name in history.objectives if name != found.objective]
    if others:
        yield f"this is about {found.objective}; there is also {', '.join(others)}"


def _limits(n: int, most: int, fewest: int) -> Iterator[str]:
    if n > most:
        yield f"the model was given {most} of the {n:,} results, evenly spread over the study"
    if n < fewest:
        yield f"{n} results so far: what matters for the top 10 % needs at least {fewest}"


def _branches(history: History, active: Floats) -> Iterator[str]:
    """For which share of the space a conditional parameter is active."""
    for name, share in zip(history.space.names, active, strict=True):
        if share < 1:
            yield f"{name} is active in {share:.0%} of the space"
