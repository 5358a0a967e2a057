"""A study without training: what a scheduler decides, step by step, with losses from a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from builders import created, plane
from cotune.records import (
    Checkpointed,
    Failed,
    Finished,
    History,
    Reached,
    Reported,
    Resumed,
    Started,
    State,
    Suggestion,
)
from cotune.schedulers import Scheduler
from cotune.space import Space
from cotune.study.budget import Budget
from cotune.study.planner import Planner

Loss = Callable[[int, int], float | None]
"""(trial, step) -> loss; None: the trial fails there."""


@dataclass(frozen=True)
class Same:
    """Always the same configuration."""

    limit: int = 10**9

    def suggest(self, history: History, n: int, draw: object) -> list[Suggestion]:
        n = min(n, self.limit - history.n_proposed)
        return [Suggestion(history.space.complete({"x": 0.5, "n": 3}), {"strategy": "test"}) for _ in range(n)]


@dataclass
class Simulation:
    """One worker with some slots, whose trials come to their milestones in the order of `order`."""

    scheduler: Scheduler
    loss: Loss
    steps: int | None = 9
    slots: int = 1
    budget: Budget = field(default_factory=Budget)
    limit: int = 10**9
    objectives: dict[str, bool] = field(default_factory=lambda: {"value": False})
    order: Callable[[list[int]], int] = min
    ends: dict[int, int] = field(default_factory=dict)
    """Of trials that have fewer steps than the others."""
    space: Space = field(default_factory=plane)

    def __post_init__(self) -> None:
        self.history = History(self.space)
        self.history.extend([created(self.space, steps=self.steps, **self.objectives)])
        self.log: list[tuple[int, int]] = []
        """(trial, step) as they were decided."""

    def run(self, most: int = 1000) -> Simulation:
        planner = Planner(Same(self.limit), self.scheduler, self.budget)
        for _ in range(most):
            events = planner.plan(self.history, self.slots - len(self.history.running), "w")
            for event in events:
                self.history.extend([event])
                if isinstance(event, Started | Resumed):
                    self.log.append((event.number, event.until))
            if not self.history.running:
                return self
            self._train(self.order(sorted(self.history.running)))
        return self

    def _train(self, number: int) -> None:
        history = self.history
        whole = self.ends.get(number, self.steps or 9)
        epoch, last = history.epoch(number), min(history.until(number) or whole, whole)
        for step in range(history.step(number) + 1, last + 1):
            loss = self.loss(number, step)
            if loss is None:
                history.extend([Failed(number, epoch, "error", "no")])
                return
            values = dict.fromkeys(self.objectives, loss)
            history.extend([Reported(number, epoch, [step], {name: [value] for name, value in values.items()})])
        if last < whole:
            history.extend(
                [Checkpointed(number, epoch, last, f"{number}-{epoch}-{last}", ""), Reached(number, epoch, last)]
            )
        elif math.isnan(loss):
            history.extend([Failed(number, epoch, "diverged", "value = nan")])
        else:
            history.extend([Finished(number, epoch, last, values)])

    @property
    def trained(self) -> dict[int, int]:
        """How far each trial came."""
        return {number: self.history.step(number) for number in range(len(self.history))}

    @property
    def stopped(self) -> list[int]:
        return [n for n in range(len(self.history)) if self.history.state(n) is State.STOPPED]
