"""Who searches, as it was asked for: strategy, scheduler and executor, and when `auto` is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotune.executors.equipment import Equippable
from cotune.records import FOLDS
from cotune.schedulers import Scheduler
from cotune.strategies import StartsFirst, Strategy
from cotune.study import auto
from cotune.study.arguments import check_part
from cotune.study.budget import Budget
from cotune.study.log import Log
from cotune.study.planner import Planner
from cotune.study.stopping import Stopping

if TYPE_CHECKING:
    from cotune.study.objectives import Target


class Crew:
    """Strategy, scheduler and executor, by name or as objects.

    is_auto: whether the strategy is left to `auto`. scheduler: None as long as that is.
    """

    def __init__(self, strategy: str | Strategy, scheduler: str | Scheduler, executor: str | Equippable) -> None:
        """Raises StudyError for what is neither the name of such a part nor one itself."""
        for kind, part, method in (
            ("strategy", strategy, "suggest"), ("scheduler", scheduler, "plan"), ("executor", executor, "equip"),
        ):  # fmt: skip
            check_part(kind, part, method)
        self._strategy = auto.strategy_named(strategy) if isinstance(strategy, str) else strategy
        self.is_auto = self._strategy is None
        self.scheduler = auto.scheduler_named(scheduler) if isinstance(scheduler, str) else scheduler
        self._executor = auto.checked_executor(executor) if isinstance(executor, str) else executor

    @property
    def executor(self) -> Equippable | None:
        """What was asked for; None where that is left to a measurement."""
        return auto.executor_named(self._executor) if isinstance(self._executor, str) else self._executor

    def planner(self, log: Log, target: Target | None, budget: Budget, stopping: Stopping) -> Planner:
        """Who decides, with what `auto` chose when it was first asked, once and for all.

        target: what is trained; None where trials are told by hand.
        """
        log.settle("trials", budget.trials)
        if target is not None and target.folds is not None:
            log.settle(FOLDS, target.folds)
        strategy = self._strategy = self._strategy or auto.settled_strategy(
            log, log.history.space, budget.trials, self.scheduler
        )
        if self.scheduler is None:
            of_task = target is not None and target.task is not None
            self.scheduler = auto.settled_scheduler(log, strategy, of_task=of_task)
        return Planner(StartsFirst(strategy), self.scheduler, budget, stopping)
