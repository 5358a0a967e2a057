"""One worker's search from start to end: equipment, signals, progress, and the winner's weights at the end."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import safetensors.torch
import torch

from cotune.errors import Interrupted, NoResult
from cotune.executors.checkpoints import FolderCheckpoints, MemoryCheckpoints
from cotune.executors.equipment import CheckpointStore, Enclosing, Equipment, Equippable
from cotune.executors.interruption import Interruption
from cotune.records import History
from cotune.schedulers import Race, share_of_steps
from cotune.strategies import reads_results
from cotune.study.best import Best
from cotune.study.engine import measured
from cotune.study.keeper import Keeper
from cotune.study.log import Log
from cotune.study.loop import Search
from cotune.study.machine import changed, machine, told
from cotune.study.objectives import Target
from cotune.study.panel import Panel
from cotune.study.planner import Planner, judge
from cotune.study.signals import handled
from cotune.training.checkpoint import write


def checkpoints_at(path: Path | None) -> CheckpointStore:
    """Where a study keeps its trials' states: in its folder, or in memory."""
    return MemoryCheckpoints() if path is None else FolderCheckpoints(path / "checkpoints")


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a search is worked off: what is trained, who trains it, and where the states of its trials are kept.

    executor: None for what a measurement says.
    """

    target: Target
    executor: Equippable | None
    checkpoints: CheckpointStore
    path: Path | None


def run(log: Log, planner: Planner, workshop: Workshop, panel: Panel) -> None:
    """Search until the budget is spent. Raises Interrupted after a signal, StudyStopped if the start all failed."""
    interruption, keeper = Interruption(), Keeper(workshop.checkpoints)
    hint = resume_hint(workshop.path)
    now = machine()
    then = log.settle("machine", now)
    with ExitStack() as stack:
        stack.enter_context(panel)
        panel.note(told(changed(then, now)))
        panel.note(planner.outline(log.history.steps))
        stack.enter_context(training_threads(log, workshop.target))
        folder = workshop.path or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cotune-")))
        equipment = Equipment(
            workshop.target.objective, workshop.checkpoints, interruption, folder,
            panel.note, log.history.space, lambda name: log.refresh().settings.get(name), log.renew,
            partial(judge, log, planner) if planner.judge else None,
        )  # fmt: skip
        executor, why = chosen_executor(log, workshop.target, planner, workshop.executor)
        panel.note(why)
        trainer = executor.equip(equipment)
        stack.callback(lambda: hand_over(log.refresh(), workshop))
        stack.callback(lambda: keeper.tidy(log.refresh()))
        stack.callback(trainer.close)

        def watch(history: History) -> None:
            panel.show(history)
            keeper.watch(history)

        with handled(interruption, hint):
            Search(log, planner, trainer, interruption, watch).run()
    if interruption.is_requested:
        sys.stderr.write(f"{hint}\n")
        raise Interrupted(128 + interruption.signal)


def chosen_executor(log: Log, target: Target, planner: Planner, asked: Equippable | None) -> tuple[Equippable, str]:
    """What trains, where that is left to a measurement as a whole (None) or inside of processes, and why."""
    enclosing = asked if isinstance(asked, Enclosing) and asked.is_open else None
    if asked is not None and enclosing is None:
        return asked, ""
    learns = reads_results(planner.strategy) or isinstance(planner.scheduler, Race)  # which needs a result to begin
    share = share_of_steps(planner.scheduler, log.history.steps or 1)
    most, processes = (None, 1) if enclosing is None else enclosing.most_together
    at_once = min((n for n in (getattr(planner.scheduler, "population", None), most) if n is not None), default=None)
    engine, why = measured(
        log, target, planner.budget.trials, learns=learns, share=share, at_once=at_once, processes=processes
    )
    return (engine if enclosing is None else enclosing.around(engine)), why


@contextmanager
def training_threads(log: Log, target: Target) -> Iterator[None]:
    """Train with the number of threads that was measured to be fastest when the study was begun."""
    if target.threads is None:
        yield
        return
    before = torch.get_num_threads()
    known = log.refresh().settings.get("threads")
    torch.set_num_threads(log.settle("threads", target.threads()) if known is None else known)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def hand_over(history: History, workshop: Workshop) -> None:
    """Write the best model's weights to `best.safetensors` in the study's folder, and its schedule, if it has any."""
    number = history.best() if len(history.objectives) == 1 else None
    if workshop.path is None or number is None:
        return
    best = Best(history, number, task=None, checkpoints=lambda: workshop.checkpoints)
    schedule = workshop.path / "schedule.json"
    if best.schedule.changing:
        write(schedule, best.schedule.to_json().encode())
    else:
        schedule.unlink(missing_ok=True)  # of an earlier best
    with suppress(NoResult):
        data = safetensors.torch.save(dict(best.weights()), {"config": json.dumps(dict(best.config))})
        write(workshop.path / "best.safetensors", data)


def resume_hint(path: Path | None) -> str:
    """The line that tells how to go on."""
    if path is None:
        return "cotune: interrupted; this study lived in memory. Give it a path to be able to resume."
    return f"cotune: interrupted; nothing is lost. Resume with the same line: {shlex.join(sys.orig_argv)}"
