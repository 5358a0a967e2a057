"""Two objectives against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotune.errors import StudyError
from cotune.plots.axes import BEST, DONE, axes_for, labelled, told
from cotune.records import State
from cotune.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def front(study: Study, ax: Axes | None = None, *, objectives: tuple[str, str] | None = None) -> Axes:
    """All results, with the front drawn through; objectives: the two to draw, the first two if left out.

    Hollow marks were stopped or are paused. With more than two objectives, the front is that of all of them.
    """
    known = study.history
    names = list(known.objectives)
    if len(names) < 2:
        raise StudyError(f"ct.plots.front(study) needs two objectives, and the study has {names[0]!r} alone: "
                         "draw ct.plots.history(study)")  # fmt: skip
    chosen = tuple(objectives or names[:2])
    if len(chosen) != 2 or len({*chosen} & {*names}) != 2:
        raise StudyError(f"ct.plots.front(objectives={objectives!r}) takes two of {', '.join(names)}")
    x, y = chosen
    ax = axes_for(ax)
    pairs = {n: known.metrics(n) for n in range(len(known)) if {x, y} <= set(known.metrics(n))}
    if not pairs:
        return told(ax, "No trial has a result yet.")
    faces = [DONE if known.state(number) is State.DONE else "none" for number in pairs]
    first, second = ([metrics[name] for metrics in pairs.values()] for name in (x, y))
    ax.scatter(first, second, s=18, facecolors=faces, edgecolors=DONE)
    best = sorted((pairs[number][x], pairs[number][y]) for number in known.front())
    ax.plot([a for a, _ in best], [b for _, b in best], "o-", color=BEST, label="front")
    ax.set(xlabel=_goal(x, known.objectives[x]), ylabel=_goal(y, known.objectives[y]))
    ax.legend()
    return ax


def _goal(name: str, maximise: bool) -> str:
    return f"{labelled(name)} ({'higher' if maximise else 'lower'} is better)"
