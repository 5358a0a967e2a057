"""Hyperparameters that change while one model trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, final

from cotune.config import Config
from cotune.errors import ConfigError

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


@final
class Schedule:
    """A configuration for every epoch, such as population based training finds one (`Best.schedule`).

    `ct.fit(task, schedule)` trains a fresh model by it.

    >>> schedule = Schedule([(0, {"learning_rate": 0.1}), (3, {"learning_rate": 0.05})], epochs=5)
    >>> schedule.values("learning_rate")
    [0.1, 0.1, 0.1, 0.05, 0.05]
    >>> Schedule.from_json(schedule.to_json()) == schedule
    True
    """

    def __init__(self, stages: Iterable[tuple[int, Mapping[str, Any]]], *, epochs: int) -> None:
        """stages: (first epoch, configuration), the first one from epoch 0 on. epochs: how many there are in all.

        Raises ConfigError if the stages do not begin one after the other, or begin behind the last epoch.
        """
        try:
            self.stages = tuple((first, Config(dict(config))) for first, config in stages)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"stages= takes pairs (first epoch, configuration), got {stages!r} ({error}).") from None
        self.epochs = epochs
        starts = [first for first, _ in self.stages]
        if any(type(number) is not int for number in (*starts, epochs)):
            raise ConfigError(f"epochs and the starts of stages are whole numbers, got {epochs!r} and {starts!r}.")
        if not starts or starts[0] != 0 or starts != sorted(set(starts)) or starts[-1] >= epochs:
            raise ConfigError(
                f"the stages of a schedule begin at ascending epochs, from 0 on and below its {epochs} epochs, "
                f"got {starts}. Write Schedule([(0, {{...}}), (5, {{...}})], epochs=20)."
            )

    def at(self, epoch: int) -> Config:
        """The configuration of an epoch, from 0; of one behind the last, that of the last."""
        return [config for first, config in self.stages if first <= max(epoch, 0)][-1]

    def values(self, name: str) -> list[Any]:
        """The values of one hyperparameter, epoch by epoch; None where it is not active."""
        return [self.at(epoch).get(name) for epoch in range(self.epochs)]

    @property
    def changing(self) -> list[str]:
        """The hyperparameters that do not stay as they begin."""
        first = self.stages[0][1]
        names = dict.fromkeys(name for _, config in self.stages for name in config)
        return [name for name in names if any(config.get(name) != first.get(name) for _, config in self.stages)]

    def scheduler(self, optimizer: Optimizer, name: str = "learning_rate") -> LambdaLR:
        """A torch scheduler that gives each group of the optimiser the values of `name`, stepped after every epoch.

        The optimiser's own learning rate does not matter, except that it must not be 0. Raises ConfigError if it is, if
        some epoch has no such number, or if the configuration has a `schedule` or `warmup` besides, which `fit` obeys.
        """
        from torch.optim.lr_scheduler import LambdaLR  # loads torch

        values = self.values(name)
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise ConfigError(
                f"the schedule has no number {name!r} in every epoch; it has {', '.join(self.stages[0][1])}"
            )
        shapes = {*self.values("schedule"), *self.values("warmup")} - {None, "constant", 0}
        if name == "learning_rate" and shapes:
            raise ConfigError(
                f"this configuration also falls or rises by its own schedule ({', '.join(map(str, shapes))}), which a "
                "scheduler of these values alone does not follow. Use ct.fit(task, schedule)."
            )
        rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
        if 0.0 in rates:
            raise ConfigError(f"schedule.scheduler(optimizer) needs learning rates above 0, got {rates}")
        last = self.epochs - 1

        def factor(rate: float) -> Callable[[int], float]:
            return lambda epoch: float(values[min(epoch, last)]) / rate

        return LambdaLR(optimizer, [factor(rate) for rate in rates])

    def to_json(self) -> str:
        """As JSON text: {"epochs": 20, "stages": [{"from": 0, "config": {...}}, ...]}."""
        stages = [{"from": first, "config": dict(config)} for first, config in self.stages]
        return json.dumps({"epochs": self.epochs, "stages": stages}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """The schedule that `to_json` wrote. Raises ConfigError for anything else."""
        try:
            content = json.loads(text)
            stages, epochs = [(stage["from"], stage["config"]) for stage in content["stages"]], content["epochs"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"this is no stored schedule ({error!r}). Pass what to_json returned.") from None
        return cls(stages, epochs=epochs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.stages, self.epochs) == (other.stages, other.epochs)

    def __hash__(self) -> int:
        return hash((self.epochs, len(self.stages)))

    def __repr__(self) -> str:
        return f"Schedule({[(first, dict(config)) for first, config in self.stages]!r}, epochs={self.epochs})"
