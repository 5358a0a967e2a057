"""The models of one configuration: one, or one for each fold of cross-validation, trained side by side or in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, final

from cotune.config import Config
from cotune.standard_error import SUFFIX, fold_name, standard_error
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task


@final
class Folds:
    """Runs that train and validate on other parts of the same samples, and are judged by their means.

    So many train at a time: all of them side by side, or one, and when it is through the next one. A step is an epoch
    of those whose turn it is. epochs: how many steps there are. runs: all, in the order of folds.
    """

    def __init__(
        self, runs: Sequence[Run], scored: Sequence[str], n_together: int, *, tells_folds: bool = False
    ) -> None:
        """scored: the metrics whose standard errors are told, too. n_together: a divisor of the number of runs.

        tells_folds: whether the first of them is also told of every fold.
        """
        self.runs = tuple(runs)
        self.epochs = runs[0].epochs * (len(runs) // n_together)
        self._scored, self._n_together, self._tells_folds = scored, n_together, tells_folds
        self._measured: list[dict[str, float]] = []  # of every fold that has begun, as it stands

    def due(self, step: int) -> tuple[Run, ...]:
        """Whose turn it is in step `step` (from 0)."""
        first = self._first(step)
        return self.runs[first : first + self._n_together]

    def epoch(self, step: int) -> int:
        """Which of their epochs that is, from 0."""
        return step % self.runs[0].epochs

    def train_epoch(self, step: int) -> dict[str, float]:
        """Trains those whose turn it is in step `step` and validates; returns every metric's mean."""
        return self.take(step, [run.train_epoch(self.epoch(step)) for run in self.due(step)])

    def take(self, step: int, metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """What those measured whose turn it was, with the folds before them, as one."""
        self._measured[self._first(step) :] = [dict(own) for own in metrics]
        return self._joined(self._measured)

    @property
    def begun(self) -> tuple[Run, ...]:
        """The runs whose turn has come."""
        return self.runs[: max(len(self._measured), self._n_together)]

    def evaluate(self, which: Literal["validation", "test"]) -> dict[str, float]:
        """Every metric on a held-out part, of the runs whose turn has come as one."""
        return self._joined([run.evaluate(which) for run in self.begun])

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch depends on. It holds the live tensors, not copies."""
        if len(self.runs) == 1:
            return self.runs[0].state_dict()
        return {"folds": [run.state_dict() for run in self.begun], "measured": self._measured}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict()` of as many folds of the same task."""
        self._measured = [dict(own) for own in state.get("measured", [])]
        for run, own in zip(self.begun, state.get("folds", [state]), strict=True):
            run.load_state_dict(own)

    def _first(self, step: int) -> int:
        """The first run whose turn it is."""
        return step // self.runs[0].epochs * self._n_together

    def _joined(self, metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Means over the folds; of several, with standard errors."""
        if len(metrics) == 1:
            return dict(metrics[0])
        columns = {name: [own[name] for own in metrics] for name in metrics[0]}
        means = {name: math.fsum(column) / len(column) for name, column in columns.items()}
        errors = {name + SUFFIX: standard_error(columns[name]) for name in self._scored}
        each = enumerate(columns[self._scored[0]]) if self._tells_folds else ()
        return means | errors | {fold_name(self._scored[0], fold): value for fold, value in each}


def folds(
    task: Task,
    config: Config | Mapping[str, Any],
    objectives: Mapping[str, bool | None],
    *,
    isolated: Isolated,
    seed: int = 0,
    split_seed: int = 0,
    device: str | None = None,
    tells_folds: bool = False,
) -> Folds:
    """One configuration of a task as it is validated; arguments as for `Run` and `Folds`.

    objectives: metric -> whether more is better; the first one is the runs' own.
    """
    objective = next(iter(objectives.items()))
    one = partial(
        Run, task, config, isolated=isolated, seed=seed, split_seed=split_seed, device=device, objective=objective
    )
    runs = [one(fold=fold) for fold in range(task.n_folds)]
    return Folds(runs, list(objectives), task.n_together, tells_folds=tells_folds)
