"""Which executor trains: the one that was named, or what a measurement on this machine says. This file loads torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from cotune.executors.equipment import Equippable
from cotune.executors.fused import Fused
from cotune.executors.inline import Inline
from cotune.executors.survey import survey
from cotune.records import JsonValue
from cotune.space import Space
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.training import Isolated, Run, Task
from cotune.training.fused import EXACT, Kinds, Unfusable, Verdict, probe, told
from cotune.training.fused.probe import FEWEST, apart, epoch_s

_GENERATIONS = 4
"""A search that learns from results trains no more trials at a time than leave it so many rounds of them."""
_MOST, _MOST_UNSEEN = 32, 128
"""At most so many at a time; the latter if nobody looks at results before the end."""
_SHARE = 0.01
"""Of the time that the search takes, so much is spent on measuring, or a little more."""
_SHORT_S = 3.0
"""A search that takes less is not worth a measurement."""


def measured(
    log: Log,
    target: Target,
    trials: int | None,
    *,
    learns: bool,
    share: float,
    at_once: int | None = None,
    processes: int = 1,
) -> tuple[Equippable, str]:
    """What `executor="auto"` trains with, and why; measured once per study, and kept in its log.

    trials: in total; None if that is not bounded. learns: whether decisions follow from results. share: of
    its epochs that a trial is expected to train. at_once: so many trials at most train at a time; None: any number.
    processes: that share them. Why is empty for a function of a trial, which leaves no choice.
    """
    task = target.task
    if task is None:
        return Inline(), ""
    device, space = str(task.on()), log.history.space
    kinds: Kinds | None = None
    known: JsonValue = log.refresh().settings.get("engine")
    if known is None:
        most = min(_most(trials, learns=learns), at_once or _MOST_UNSEEN) // processes * task.n_together
        verdict, search_s = _outlook(task, space, None if trials is None else share * trials, device, most)
        if verdict is None:
            measure = partial(probe, task, device=device, most=most, within_s=_SHARE * search_s, spares_lanes=learns)
            kinds, verdict = _verdict(Kinds(survey(task, space, device)), measure)
        known = log.settle("engine", verdict.to_json())
    if known["lanes"] == 1:
        return Inline(), f"one trial at a time: {known['why']}"
    fused = Fused(
        lanes=known["lanes"], is_demanded=False, fills_up=known.get("fills_up", False),
        pays=tuple(known["pays"]) if "pays" in known else None, kinds=kinds,
    )  # fmt: skip
    return fused, f"fused trials: {known['why']}"


def _most(trials: int | None, *, learns: bool) -> int:
    """Trials that may train at a time."""
    if trials is None:
        return _MOST
    return min(_MOST, trials // _GENERATIONS) if learns else min(_MOST_UNSEEN, trials)


def _outlook(task: Task, space: Space, trials: float | None, device: str, most: int) -> tuple[Verdict | None, float]:
    """What is clear from one configuration and the budget, None if it takes a measurement; and the search's seconds.

    trials: so many times as much is trained as one trial has epochs.
    """
    if most < FEWEST:
        return apart("there are too few trials to train several at a time"), 0.0
    with Isolated() as isolated:
        try:
            run = Run(task, space.examples()[0], isolated=isolated, device=device)
            told(run, EXACT)
            seconds = math.inf if trials is None else trials * task.n_folds * task.epochs * epoch_s(run)
        except Unfusable as refusal:
            return apart(f"cannot fuse {type(run.model).__name__}: {refusal}"), 0.0
        except Exception:  # noqa: BLE001 - of the user's code; a trial will tell
            return None, math.inf
    is_short = seconds < _SHORT_S
    return apart(f"all trials together take about {seconds:.1f} s") if is_short else None, seconds


def _verdict(kinds: Kinds, measure: Callable[[Kinds], Verdict]) -> tuple[Kinds, Verdict]:
    """With networks filled up to a common width if they differ and that pays, and otherwise as they are."""
    verdict = measure(kinds)
    if verdict.lanes > 1 or not kinds.census.pairs:
        return kinds, verdict
    exact = Kinds(kinds.census.in_own_width())
    other = measure(exact)
    return (exact, other) if other.lanes > 1 else (kinds, verdict)
