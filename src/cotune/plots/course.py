"""How a search went: its history, its seconds, and how its results are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cotune.explain.course import Point, course, improvements
from cotune.plots.axes import BEST, DONE, FAILED, axes_for, labelled, marker, one_objective, told
from cotune.records import State
from cotune.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {State.DONE: "done", State.STOPPED: "stopped", State.PAUSED: "paused", State.RUNNING: "running"}


def history(study: Study, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """Every trial's objective at its last step, by number, and the best so far.

    Filled marks are done; hollow ones were stopped, are paused or still run; crosses at the bottom failed.
    """
    ax, known = axes_for(ax), study.history
    name, maximise = one_objective(known, objective, "history")
    points = course(known, name)
    if not points:
        return told(ax, "There are no trials yet.")
    for state, word in _NAMES.items():
        _scatter(ax, [p for p in points if p.state is state and p.value is not None], state, word)
    failed = [point.number for point in points if point.state is State.FAILED]
    if failed:
        ax.plot(failed, [0.02] * len(failed), "x", color=FAILED, label="failed", transform=ax.get_xaxis_transform())
    records = improvements(points, maximise=maximise)
    if records:
        numbers = [*[point.number for point in records], len(points) - 1]
        ax.step(numbers, _values([*records, records[-1]]), where="post", color=BEST, label="best so far")
    ax.set(xlabel="trial", ylabel=labelled(name))
    ax.legend()
    return ax


def _scatter(ax: Axes, points: list[Point], state: State, word: str) -> None:
    if points:
        numbers, face = [point.number for point in points], DONE if state is State.DONE else "none"
        values, shape = _values(points), marker(state)
        ax.scatter(numbers, values, s=18, marker=shape, facecolors=face, edgecolors=DONE, label=word)


def _values(points: list[Point]) -> list[float]:
    return [np.nan if point.value is None else point.value for point in points]


def timeline(study: Study, ax: Axes | None = None) -> Axes:
    """How long each trial trained, one bar after another in the order of their numbers.

    The log has measured seconds and no time of day: the bars say what was spent on whom, not when it was. What still
    runs, or was told by hand, has no seconds yet.
    """
    ax, known = axes_for(ax), study.history
    trials = [known.trial(number) for number in range(len(known))]
    spent = [trial.seconds for trial in trials]
    if not any(spent):
        return told(ax, "No training time was measured.")
    begun = np.concatenate([[0.0], np.cumsum(spent)[:-1]])
    colours = {State.DONE: BEST, State.FAILED: FAILED}
    for state in dict.fromkeys(trial.state for trial in trials):
        rows = [trial.number for trial in trials if trial.state is state]
        ax.barh(rows, [spent[k] for k in rows], left=begun[rows], color=colours.get(state, DONE), label=str(state))
    ax.invert_yaxis()
    ax.set(xlabel="training seconds of all trials, summed up", ylabel="trial")
    ax.legend()
    return ax


def edf(study: Study, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """The share of results that are at least as good as a value, among the trials that went furthest.

    The higher a curve rises at good values, the better the configurations that were tried.
    """
    ax, known = axes_for(ax), study.history
    name, maximise = one_objective(known, objective, "edf")
    values = np.sort([p.value for p in course(known, name) if p.is_contender and p.value is not None])
    if not len(values):
        return told(ax, "No trial has a result yet.")
    shares = np.arange(1, len(values) + 1) / len(values)
    ax.step(values, 1 - shares + 1 / len(values) if maximise else shares, where="pre" if maximise else "post",
            color=BEST)  # fmt: skip
    bound = "at least" if maximise else "at most"
    ax.set(xlabel=labelled(name), ylabel=f"share of trials with {bound} this", ylim=(0, 1.02))
    return ax
