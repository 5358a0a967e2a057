"""Which executor trains: the one that was named, or what a measurement on this machine says. This file loads torch."""

from __future__ import annotations

import math
from dataclasses import replace

from cotune.executors.equipment import Equippable
from cotune.executors.fused import Fused
from cotune.executors.inline import Inline
from cotune.records import JsonValue
from cotune.seeds import Purpose, generator
from cotune.space import Space
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.training import Isolated, Run, Task
from cotune.training.fused import EXACT, Census, Unfusable, Verdict, probe, told
from cotune.training.fused.probe import FEWEST, apart, epoch_s

_GENERATIONS = 4
"""A search learns from results, so no more trials train at a time than leave it so many rounds of them."""
_MOST = 32
_SHORT_S = 3.0
"""A search that takes less is not worth a measurement."""
_DRAWN = 64


def measured(log: Log, target: Target, trials: int | None) -> tuple[Equippable, str]:
    """What `executor="auto"` trains with, and why; measured once per study, and kept in its log.

    trials: in total; None if that is not bounded. Why is empty for a function of a trial, which leaves no choice.
    """
    task = target.task
    if task is None:
        return Inline(), ""
    device, space = str(task.on()), log.history.space
    census: Census | None = None
    known: JsonValue = log.refresh().settings.get("engine")
    if known is None:
        verdict = _without_measuring(task, space, trials, device)
        if verdict is None:
            census = Census.of(task, _drawn(space), device)
            verdict = _verdict(task, census, device, _MOST if trials is None else trials // _GENERATIONS)
        known = log.settle("engine", verdict.to_json())
    if known["lanes"] == 1:
        return Inline(), f"one trial at a time: {known['why']}"
    census = census or Census.of(task, _drawn(space), device)
    fused = Fused(lanes=known["lanes"], is_demanded=False, fewest=known["fewest"], census=census)
    return fused, f"fused trials: {known['why']}"


def _without_measuring(task: Task, space: Space, trials: int | None, device: str) -> Verdict | None:
    """What is clear from one configuration and the budget; None if it takes a measurement."""
    if trials is not None and trials // _GENERATIONS < FEWEST:
        return apart("there are too few trials to train several at a time")
    with Isolated() as isolated:
        run = Run(task, space.examples()[0], isolated=isolated, device=device)
        try:
            told(run, EXACT)
        except Unfusable as refusal:
            return apart(f"cannot fuse {type(run.model).__name__}: {refusal}")
        seconds = math.inf if trials is None else trials * task.epochs * epoch_s(run)
    return apart(f"all trials together take about {seconds:.1f} s") if seconds < _SHORT_S else None


def _verdict(task: Task, census: Census, device: str, most: int) -> Verdict:
    """By the commonest kind of model in the space."""
    configs = census.commonest
    if not configs:
        return apart("no configuration of the space can be fused")
    most, share = min(_MOST, most), len(configs) / census.n_drawn
    if most * share < FEWEST:
        return apart(f"of {most} trials at a time about {most * share:.1f} would be alike, too few to train together")
    verdict = probe(task, configs, device=device, most=most)
    if verdict.lanes > 1 and verdict.lanes * share < verdict.fewest:
        why = (
            f"of {verdict.lanes} trials at a time about {verdict.lanes * share:.1f} would be alike, and "
            f"{verdict.fewest} must be ({verdict.why})"
        )
        return replace(verdict, lanes=1, fewest=1, why=why)
    return verdict


def _drawn(space: Space) -> list[dict[str, JsonValue]]:
    random = generator(0, Purpose.CHOOSE, 2)
    return [dict(space.sample(random)) for _ in range(_DRAWN)]
