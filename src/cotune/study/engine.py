"""Which executor trains: the one that was named, or what a measurement on this machine says. This file loads torch."""

from __future__ import annotations

from cotune.executors.equipment import Equippable
from cotune.executors.fused import Fused
from cotune.executors.inline import Inline
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.training.fused import probe

_GENERATIONS = 6
"""A search learns from results, so no more trials train at a time than leave it so many rounds of them."""


def measured(log: Log, target: Target, trials: int | None) -> tuple[Equippable, str]:
    """What `executor="auto"` trains with, and why; measured once per study, and kept in its log.

    trials: in total; None if that is not bounded. Why is empty for a function of a trial, which leaves no choice.
    """
    if target.task is None:
        return Inline(), ""
    known = log.refresh().settings.get("engine")
    if known is None:
        most = 32 if trials is None else trials // _GENERATIONS
        example = log.history.space.examples()[0]
        verdict = probe(target.task, example, device=str(target.task.on()), most=most)
        known = log.settle("engine", verdict.to_json())
    if known["lanes"] == 1:
        return Inline(), f"one trial at a time: {known['why']}"
    return Fused(lanes=known["lanes"], is_demanded=False), f"fused trials: {known['why']}"
