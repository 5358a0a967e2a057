"""Learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotune.errors import StudyError
from cotune.explain.course import ranking
from cotune.plots.axes import BEST, DONE, FAILED, axes_for, labelled, told
from cotune.records import State, Trial
from cotune.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(study: Study, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
    """A metric over the steps of every trial, the best one in front; metric: the first objective if left out.

    A curve that ends in a ring was stopped, is paused or still runs; one that ends in a cross failed. Raises StudyError
    for a metric that no trial reports, where trials report others.
    """
    ax, known = axes_for(ax), study.history
    name = next(iter(known.objectives)) if metric is None else metric
    reported = {each for trial in study.trials for each in trial.curve}
    if reported and name not in reported | set(known.objectives):
        raise StudyError(f"ct.plots.curves(metric={metric!r}) takes one of {', '.join(sorted(reported))}")
    found = [trial for trial in study.trials if len(trial.curve.get(name, ())) > 0]
    if not found:
        return told(ax, f"No trial has reported {name} step by step.")
    best = next(iter(ranking(known)), None)
    for trial in sorted(found, key=lambda trial: trial.number == best):
        _draw(ax, trial, name, is_best=trial.number == best)
    ax.set(xlabel="step", ylabel=labelled(name))
    if any(trial.number == best for trial in found):
        ax.legend()
    return ax


def _draw(ax: Axes, trial: Trial, name: str, *, is_best: bool) -> None:
    width, colour, label = (2.2, BEST, f"trial {trial.number}, the best") if is_best else (0.8, DONE, None)
    ax.plot(trial.steps, trial.curve[name], color=colour, linewidth=width, alpha=1 if is_best else 0.5, label=label)
    ending = [trial.steps[-1]], [trial.curve[name][-1]]
    if trial.state is State.FAILED:
        ax.plot(*ending, "x", color=FAILED)
    elif trial.state is not State.DONE:
        ax.plot(*ending, "o", color=DONE, markerfacecolor="none", markersize=4)
