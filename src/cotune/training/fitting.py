"""Training one configuration from start to end, and finding out which hyperparameters a task reads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import nn

from cotune.config import Config
from cotune.errors import TaskError
from cotune.schedule import Schedule
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task

Report = Callable[[int, dict[str, float]], object]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A trained model. config: of the last epoch, as metrics. curve: metric name to its value after each epoch."""

    model: nn.Module
    config: Config
    metrics: dict[str, float]
    curve: dict[str, list[float]]
    _run: Run
    _isolated: Isolated

    def test(self) -> dict[str, float]:
        """Every metric on the sealed test part. TaskError if the task has none."""
        with self._isolated:
            return self._run.evaluate("test")


def fit(
    task: Task,
    config: Mapping[str, Any] | Schedule,
    *,
    seed: int = 0,
    split_seed: int = 0,
    report: Report | None = None,
    device: str | torch.device | None = None,
) -> Fit:
    """Trains one configuration of `task`, or by a schedule; the same arguments give the same bits.

    config: a Schedule changes it between epochs: each stage takes over the weights and the optimiser's state, as a fork
    of population based training does. seed: of weights, sample order and noise. split_seed: of the validation and test
    splits; of a task with cross-validation its first fold is trained. report: called with the epoch (from 0) and its
    metrics; returning False ends training there. The model comes back in evaluation mode.
    """
    schedule = config if isinstance(config, Schedule) else Schedule([(0, config)], epochs=task.epochs)
    stages = dict(schedule.stages)
    curve: dict[str, list[float]] = {}
    with Isolated() as isolated:
        made = partial(Run, task, isolated=isolated, seed=seed, split_seed=split_seed, device=device)
        run = made(stages[0])
        if isinstance(config, Schedule) and config.epochs != run.epochs:
            raise TaskError(
                f"the schedule has {config.epochs} epochs, the task trains {run.epochs}: use Task(epochs=...) to match."
            )
        for epoch in range(run.epochs):
            if epoch and epoch in stages:
                run, before = made(stages[epoch]), run
                if (reason := run.misfit(before)) is not None:
                    raise TaskError(
                        f"the schedule's stage from epoch {epoch} on cannot follow the one before: {reason}"
                    )
                run.load_state_dict(before.state_dict())
            metrics = run.train_epoch(epoch)
            for name, value in metrics.items():
                curve.setdefault(name, []).append(value)
            if report is not None and report(epoch, dict(metrics)) is False:
                break
    return Fit(run.model, run.config, metrics, curve, run, isolated)


def unread(task: Task, configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The hyperparameter names in `configs` that nothing reads: neither training nor a builder, loss or step of `task`.

    Builds every configuration and runs its forward pass on one batch (a user's step runs once, on a model that is
    thrown away), so an error in these comes out here. configs: at least one for each branch of the space.
    """
    present, read = dict[str, None](), set[str]()
    for config in configs:
        noted = copy.copy(config) if isinstance(config, Config) else Config(config)  # a copy notes its own reads
        present |= dict.fromkeys(copy.copy(noted))
        with Isolated() as isolated:
            Run(task, noted, isolated=isolated).rehearse()
        read |= noted.read
    return [name for name in present if name not in read]
