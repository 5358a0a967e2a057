"""What the study found out about its space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotune.explain.insight import Dependence, Insight
from cotune.plots.axes import BAR, BEST, DONE, axes_for, labelled, one_objective, one_parameter, scaled, told
from cotune.records import History
from cotune.space import Parameter
from cotune.spelled import shown
from cotune.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def importance(study: Study, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """The share of the objective's variance that each parameter explains, alone and with all its interactions.

    Lines are 90 % intervals of the latter.
    """
    ax, found = axes_for(ax), _insight(study.history, objective, "importance")
    ranked = sorted(found.importance.values(), key=lambda one: one.total.value)
    if not ranked:
        return told(ax, _why_not(found))
    rows = range(len(ranked))
    ax.barh(rows, [one.total.value for one in ranked], height=0.7, color=BAR, label="with interactions")
    ax.barh(rows, [one.first.value for one in ranked], height=0.35, color=BEST, label="alone")
    ax.hlines(rows, [one.total.low for one in ranked], [one.total.high for one in ranked], color="black", linewidth=1)
    ax.set_yticks(rows, [labelled(one.name) for one in ranked])
    ax.set(xlabel=f"share of the variance of {labelled(found.objective)}", xlim=(0, None))
    ax.legend(loc="lower right")
    return ax


def dependence(study: Study, name: str | None = None, ax: Axes | None = None, *, objective: str | None = None) -> Axes:
    """What the model expects of the objective along one parameter, on average over the others, with a 90 % band.

    name: the parameter; the most important one if left out. Marks at the bottom are results near a value: without
    them, what is drawn is a guess.
    """
    ax, known = axes_for(ax), study.history
    if name is not None:
        one_parameter(known, name, "dependence")
    found = _insight(known, objective, "dependence")
    chosen = name or max(found.importance.values(), key=lambda one: one.total.value).name if found.importance else name
    if chosen not in found.dependence:
        return told(ax, _why_not(found))
    assert chosen is not None
    _draw(ax, found.dependence[chosen], known.space.parameters[chosen])
    ax.set_ylabel(f"expected {labelled(found.objective)}")
    return ax


def _draw(ax: Axes, one: Dependence, parameter: Parameter) -> None:
    values = list(one.values) if one.is_number else list(range(len(one.values)))
    if one.is_number:
        ax.plot(values, one.mean, color=BEST)
        ax.fill_between(values, one.low, one.high, color=BEST, alpha=0.16)
    else:
        ax.plot(values, one.mean, "o", color=BEST)
        ax.vlines(values, one.low, one.high, color=BEST)
    most = max(one.counts, default=0) or 1
    heights = [0.1 * n / most for n in one.counts]
    ax.vlines(values, 0, heights, color=DONE, linewidth=3, transform=ax.get_xaxis_transform())
    scaled(ax, parameter, one.name)
    if not one.is_number:
        ax.set_xticks(values, [labelled(shown(value)) for value in one.values])


def _insight(known: History, objective: str | None, what: str) -> Insight:
    name, _ = one_objective(known, objective, what)
    from cotune.explain.insights import insight  # loads torch

    return insight(known, name)


def _why_not(found: Insight) -> str:
    return "; ".join(found.notes) or "There are too few results to tell."
