"""From names to parts, and what `auto` chooses.

Names become objects here and nowhere else. Parts that load torch are imported when they are chosen.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TypeVar

from cotune.errors import StudyError
from cotune.executors.equipment import Equippable
from cotune.records import FOLDS
from cotune.schedulers import (
    ASHA,
    PBT,
    ASHAIfItCan,
    Hyperband,
    MedianStopping,
    Plain,
    Race,
    Scheduler,
    SuccessiveHalving,
)
from cotune.space import Space
from cotune.strategies import Grid, Random, Strategy, reads_milestones
from cotune.study.log import Log

_Part = TypeVar("_Part")

_FEW_TRIALS = 5
_MANY_COLUMNS = 60
_FEW_STEPS = 3


def strategy_named(name: str) -> Strategy | None:
    """The strategy of that name with its default options; None for "auto". Raises StudyError for an unknown name."""
    parts: dict[str, Callable[[], Strategy | None]] = {
        "grid": Grid, "random": Random, "sobol": _sobol, "bayesian": _bayesian, "tpe": _tpe, "cmaes": _cmaes,
        "auto": lambda: None,
    }  # fmt: skip
    return _named("strategy", name, parts)


def scheduler_named(name: str) -> Scheduler | None:
    """The scheduler of that name with its default options; None for "auto". Raises StudyError for an unknown name."""
    parts: dict[str, Callable[[], Scheduler | None]] = {
        "none": Plain, "asha": ASHA, "halving": SuccessiveHalving, "hyperband": Hyperband, "median": MedianStopping,
        "pbt": PBT, "race": Race, "auto": lambda: None,
    }  # fmt: skip
    return _named("scheduler", name, parts)


def executor_named(name: str) -> Equippable | None:
    """The executor of that name with its default options; None for "auto". Raises StudyError for an unknown name."""
    parts: dict[str, Callable[[], Equippable | None]] = {
        "inline": _inline, "fused": _fused, "processes": _processes, "auto": lambda: None,
    }  # fmt: skip
    return _named("executor", name, parts)


def checked_executor(name: str) -> str:
    """The name, if there is such an executor; it is made, and torch loaded, when a search starts."""
    return _named("executor", name, dict.fromkeys(("inline", "fused", "processes", "auto"), lambda: name))


def choose_strategy(space: Space, trials: int | None, *, populates: bool = False) -> tuple[str, str]:
    """The name of the strategy that `auto` takes for this space and budget, and why; the first rule that fits.

    populates: whether it proposes what a population begins with, which learns by itself from there.
    """
    if populates:
        return "sobol", "a population begins spread out"
    size, columns = space.size, space.positions.n_columns
    if size is not None and trials is not None and size <= trials:
        return "grid", f"all {size} combinations fit in {trials} trials"
    if trials is not None and trials <= max(_FEW_TRIALS, space.dimension // 2):
        return "sobol", f"{trials} trials are too few to learn from"
    if columns > _MANY_COLUMNS:
        return "tpe", f"{columns} columns (numbers, and choices one by one) are many for a Gaussian process"
    return "bayesian", f"a Gaussian process learns from each result; {columns} columns"


def choose_scheduler(
    strategy: Strategy, steps: int, scheduled: Sequence[str] = (), *, races: bool = False
) -> tuple[str, str]:
    """The name of the scheduler that `auto` takes beside a strategy for trials of so many steps, and why.

    scheduled: what may change while a trial trains. races: whether its folds train one after another, to be compared.
    """
    if races:
        return "race", "what is worse on its first folds need not train the others"
    if scheduled and steps > 1:
        return "pbt", f"{', '.join(scheduled)} may change while trials train"
    if steps < _FEW_STEPS:
        return "none", f"{steps} epochs are too few to leave some out"
    if not reads_milestones(strategy):
        return "none", "the strategy does not learn from unfinished trials"
    return "asha", "what is behind after a few epochs can wait"


def settled_strategy(log: Log, space: Space, trials: int | None, scheduler: Scheduler | None) -> Strategy:
    """The strategy that `auto` took when it was first asked, once and for all. scheduler: None for `auto`."""
    steps = log.history.created_steps or 1
    populates = isinstance(scheduler, PBT) or (scheduler is None and bool(space.scheduled) and steps > 1)
    name, why = choose_strategy(space, trials, populates=populates)
    chosen = strategy_named(log.settle("strategy", {"name": name, "why": why})["name"])
    assert chosen is not None
    return chosen


def settled_scheduler(log: Log, strategy: Strategy, *, of_task: bool) -> Scheduler:
    """The same of the scheduler; there is nothing to choose where nobody knows how many epochs a trial has.

    of_task: a user's own function has to show first what it reports.
    """
    history = log.refresh()
    if history.created_steps is None:
        return Plain()
    races = FOLDS in history.settings and len(history.objectives) == 1
    name, why = choose_scheduler(strategy, history.created_steps, history.space.scheduled, races=races)
    if len(history) > len(history.waiting):  # trials that were begun before anything was settled ran to their ends
        name, why = "none", "the study was begun so"
    settled = log.settle("scheduler", {"name": name, "why": why})["name"]
    if settled == "asha" and not of_task:
        return ASHAIfItCan()
    chosen = scheduler_named(settled)
    assert chosen is not None
    return chosen


def _sobol() -> Strategy:
    from cotune.strategies.sobol import Sobol  # loads torch

    return Sobol()


def _bayesian() -> Strategy:
    from cotune.strategies.bayesian import BayesianOptimization  # loads torch

    return BayesianOptimization()


def _tpe() -> Strategy:
    from cotune.strategies.tpe import TPE  # loads torch

    return TPE()


def _cmaes() -> Strategy:
    from cotune.strategies.cmaes import CmaEs  # most studies do without it

    return CmaEs()


def _inline() -> Equippable:
    from cotune.executors.inline import Inline  # loads torch

    return Inline()


def _fused() -> Equippable:
    from cotune.executors.fused import Fused  # loads torch

    return Fused()


def _processes() -> Equippable:
    from cotune.executors.processes import Processes  # loads torch

    return Processes()


def _named(kind: str, name: str, parts: dict[str, Callable[[], _Part]]) -> _Part:
    if name in parts:
        return parts[name]()
    near = difflib.get_close_matches(name, parts, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise StudyError(f"Study({kind}={name!r}): there is no such {kind}.{hint} Choose one of {', '.join(parts)}.")
