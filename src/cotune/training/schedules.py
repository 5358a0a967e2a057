"""Learning-rate schedules: the ones a configuration can name, and when to step a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from cotune.config import Config
from cotune.errors import TaskError

NAMES = ("constant", "cosine", "linear", "onecycle", "wsd")
_ENDS = {"onecycle": 1 / 25e4}
_STABLE = 0.8
"""For so much of the steps after the warm-up "wsd" is constant (Hu et al. 2024, "MiniCPM", section 4.2)."""


def named(optimizer: Optimizer, config: Config, n_steps: int) -> LambdaLR | None:
    """The schedule that `config` describes, to be stepped after every batch; None if the rate never changes.

    `schedule` (constant): cosine and linear fall until the end of training, wsd stays and falls in the last fifth,
    onecycle rises to `learning_rate` and falls far below it, as torch's OneCycleLR does. `warmup` (0; onecycle 0.3):
    share of the `n_steps` batches in which the rate rises. `final_share` (0; onecycle 4e-6): share of `learning_rate`
    that is left at the end, where it falls. TaskError for an unknown name or a share outside [0, 1].
    """
    name = config.get("schedule", "constant")
    if name not in NAMES:
        raise TaskError(f"config['schedule'] is {name!r}; use one of {', '.join(NAMES)}, or Task(schedule=...).")
    warmup = _share(config, "warmup", "of the steps", 0.3 if name == "onecycle" else 0.0)
    if name == "constant" and warmup == 0:
        return None
    end = 1.0 if name == "constant" else _share(config, "final_share", "of the learning rate", _ENDS.get(name, 0.0))
    return LambdaLR(optimizer, _factor(name, warmup * n_steps, n_steps, end))


def _share(config: Config, name: str, of: str, default: float) -> float:
    share: float = config.get(name, default)
    if not 0 <= share <= 1:
        raise TaskError(f"config[{name!r}] is a share {of} in [0, 1], got {share!r}.")
    return share


def _factor(name: str, n_rising: float, n_steps: int, end: float) -> Callable[[int], float]:
    """Step number, from 0, to the factor on the learning rate."""

    def factor(step: int) -> float:
        if step < n_rising:
            return _rise(name, step, n_rising)
        progress = min((step - n_rising) / max(n_steps - n_rising, 1), 1.0)
        return _fall(name, progress, end)

    return factor


def _rise(name: str, step: int, n_rising: float) -> float:
    if name == "onecycle":
        return _between(1 / 25, 1.0, step / n_rising)
    return min((step + 1) / n_rising, 1.0)


def _fall(name: str, progress: float, end: float) -> float:
    match name:
        case "cosine" | "onecycle":
            return _between(1.0, end, progress)
        case "linear":
            return 1 - (1 - end) * progress
        case "wsd":
            return 1 - (1 - end) * max(0.0, progress - _STABLE) / (1 - _STABLE)
    return 1.0


def _between(start: float, end: float, progress: float) -> float:
    """Half a cosine wave from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


@final
class Pacer:
    """Steps one scheduler when it is due, so that a training loop need not know which kind it is."""

    __slots__ = ("_each_batch", "_each_epoch", "_plateau")

    def __init__(self, scheduler: LRScheduler | None, *, by_batch: bool) -> None:
        self._each_batch = scheduler if by_batch else None
        self._each_epoch = None if by_batch or isinstance(scheduler, ReduceLROnPlateau) else scheduler
        self._plateau = scheduler if isinstance(scheduler, ReduceLROnPlateau) else None

    @property
    def has_batches(self) -> bool:
        """Whether a batch changes the rate."""
        return self._each_batch is not None

    def after_batch(self) -> None:
        """To be called after every optimiser step."""
        if self._each_batch is not None:
            self._each_batch.step()

    def after_epoch(self, objective: float) -> None:
        """To be called after every validation, with the objective's value."""
        if self._each_epoch is not None:
            self._each_epoch.step()
        if self._plateau is not None:
            self._plateau.step(objective)


def steps_by_batch(scheduler: LRScheduler, epochs: int) -> bool:
    """Whether a user's scheduler counts batches: a OneCycleLR, a CyclicLR, or one with `total_steps` > epochs."""
    if isinstance(scheduler, (OneCycleLR, CyclicLR)):
        return True
    total = getattr(scheduler, "total_steps", None)
    return isinstance(total, int) and total > epochs
