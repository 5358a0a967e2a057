"""What the user wants trained, as one kind of function: running trial -> result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from cotune.config import Config
from cotune.errors import StudyError
from cotune.executors.running import RunningTrial
from cotune.training import Run, Task

Objective = Callable[[RunningTrial], Any]
"""Trains the trial. It may return a number, a mapping of metrics, or None if everything was reported."""


def of_task(task: Task, objective: tuple[str, bool]) -> Objective:
    """Train one configuration of a task, epoch by epoch.

    objective: (metric, whether more is better), by which each trial's best epoch is kept. The task's own device counts
    before the executor's.
    """

    def train(trial: RunningTrial) -> None:
        device = trial.device if task.device == "auto" else task.device
        run = Run(
            task, trial.config,
            isolated=trial.isolated, seed=trial.seed, split_seed=trial.shared_seed, device=device,
            objective=objective,
        )  # fmt: skip
        trial.track(run=run)
        for epoch in trial.epochs(at_most=run.epochs):
            trial.report(**run.train_epoch(epoch))

    return train


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
