"""The models of one configuration: one, or one for each fold of cross-validation, trained side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, final

from cotune.config import Config
from cotune.standard_error import SUFFIX, standard_error
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task


@final
class Folds:
    """Runs that train and validate on other parts of the same samples, and are judged by their means.

    epochs: of each. scored: the metrics whose standard errors are told, too.
    """

    def __init__(self, runs: Sequence[Run], scored: Sequence[str]) -> None:
        self.runs = tuple(runs)
        self.epochs = runs[0].epochs
        self._scored = scored

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Trains epoch `epoch` (from 0) of every fold and validates; returns every metric's mean."""
        return self.joined([run.train_epoch(epoch) for run in self.runs])

    def joined(self, metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """What the folds measured, as one; of several, with standard errors over them."""
        if len(metrics) == 1:
            return dict(metrics[0])
        columns = {name: [own[name] for own in metrics] for name in metrics[0]}
        means = {name: math.fsum(column) / len(column) for name, column in columns.items()}
        return means | {name + SUFFIX: standard_error(columns[name]) for name in self._scored}

    def evaluate(self, which: Literal["validation", "test"]) -> dict[str, float]:
        """Every metric on a held-out part, as one."""
        return self.joined([run.evaluate(which) for run in self.runs])

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch depends on. It holds the live tensors, not copies."""
        if len(self.runs) == 1:
            return self.runs[0].state_dict()
        return {"folds": [run.state_dict() for run in self.runs]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict()` of as many folds of the same task."""
        for run, own in zip(self.runs, state.get("folds", [state]), strict=True):
            run.load_state_dict(own)


def folds(
    task: Task,
    config: Config | Mapping[str, Any],
    scored: Sequence[str],
    *,
    isolated: Isolated,
    seed: int = 0,
    split_seed: int = 0,
    device: str | None = None,
    objective: tuple[str, bool | None] | None = None,
) -> Folds:
    """One configuration of a task as it is validated; arguments as for `Run`. scored: as for `Folds`."""
    one = partial(
        Run, task, config, isolated=isolated, seed=seed, split_seed=split_seed, device=device, objective=objective
    )
    return Folds([one(fold=fold) for fold in range(task.n_folds)], scored)
