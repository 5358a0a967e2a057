"""What the user wants trained, as one kind of function: running trial -> result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cotune.config import Config
from cotune.errors import StudyError
from cotune.executors.outcome import Diverged
from cotune.executors.running import RunningTrial
from cotune.training import Folds, Isolated, Run, Task, folds

Objective = Callable[[RunningTrial], Any]
"""Trains the trial. It may return a number, a mapping of metrics, or None if everything was reported."""


@dataclass(frozen=True, slots=True)
class OfTask:
    """Trains one configuration of a task, epoch by epoch.

    objectives: metric -> whether more is better; by the first one each run's best epoch is kept. The task's own device
    counts before the executor's. tells_folds: whether metrics hold the first one's value on every fold, too.
    """

    task: Task
    objectives: Mapping[str, bool]
    tells_folds: bool = False

    def __call__(self, trial: RunningTrial) -> None:
        """Train the trial."""
        folds = self.folds(trial.config, (trial.seed, trial.shared_seed), trial.isolated, trial.device)
        trial.track(run=folds)
        for step in trial.epochs(at_most=folds.epochs):
            metrics = folds.train_epoch(step)
            trial.report(**metrics)
            require_sound(metrics)

    def folds(self, config: Config, seeds: tuple[int, int], isolated: Isolated, device: str) -> Folds:
        """One configuration as it is trained. seeds: the trial's own and the study's."""
        made = self._made(seeds, isolated, device)
        return folds(self.task, config, self.objectives, tells_folds=self.tells_folds, **made)

    def run(self, config: Config, seeds: tuple[int, int], isolated: Isolated, device: str) -> Run:
        """The first fold of it."""
        objective = next(iter(self.objectives.items()))
        return Run(self.task, config, objective=objective, **self._made(seeds, isolated, device))

    def _made(self, seeds: tuple[int, int], isolated: Isolated, device: str) -> dict[str, Any]:
        own = device if self.task.device == "auto" else str(self.task.device)
        return {"isolated": isolated, "seed": seeds[0], "split_seed": seeds[1], "device": own}


def require_sound(metrics: Mapping[str, float]) -> None:
    """Raise Diverged if the training loss is NaN: such weights never recover, though an accuracy may look sound."""
    if math.isnan(metrics["train_loss"]):
        raise Diverged("train_loss became NaN")


def of_trial_function(function: Callable[[RunningTrial], Any]) -> Objective:
    """A function of the running trial, with a warning after trial 0 for hyperparameters that it does not read."""

    def train(trial: RunningTrial) -> Any:
        result = function(trial)
        _warn_unread(trial.number, trial.config)
        return result

    return train


def of_config(function: Callable[[Config], Any]) -> Callable[[RunningTrial], Any]:
    """A function of the configuration alone, as a function of the running trial; StudyError for anything else."""
    if not callable(function):
        raise StudyError(f"ct.minimize and ct.maximize take a function of a configuration, got {function!r}")
    return lambda trial: function(trial.config)


def _warn_unread(number: int, config: Config) -> None:
    read = config.read
    unread = [name for name in config if name not in read]
    if number == 0 and unread:
        warnings.warn(
            f"trial 0 did not read {', '.join(unread)}: the search varies what has no effect. "
            "Use the hyperparameter in your function, or take it out of the space.",
            stacklevel=2,
        )
