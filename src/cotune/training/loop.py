"""One model being trained: epoch by epoch, resumable after each, the same bits every time."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cotune import seeds
from cotune.config import Config
from cotune.errors import TaskError
from cotune.seeds import Purpose
from cotune.training import optimizers, schedules
from cotune.training.randomness import Isolated
from cotune.training.samples import Batch
from cotune.training.schedules import Pacer
from cotune.training.splits import Part, prefix
from cotune.training.step import Forward, PlainStep, Step, criterion, short_float, user_step
from cotune.training.takeover import Trained, misfit, take_over, untrained
from cotune.training.task import Task


@final
@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The epoch with the best objective so far. weights: the model's state_dict then, a copy."""

    epoch: int
    value: float
    weights: dict[str, Tensor]


@final
class Run:
    """One configuration of a task being trained.

    Epoch `e` seeds itself by (seed, purpose, e), so `train_epoch(e)` on the state after epoch `e - 1` gives the same
    bits whether or not the run was interrupted there. A last batch of one sample is left out, because batch norm cannot
    train on it. A Run is made and used inside `isolated`: it seeds the global generators.
    """

    def __init__(
        self,
        task: Task,
        config: Mapping[str, Any],
        *,
        isolated: Isolated,
        seed: int = 0,
        split_seed: int = 0,
        device: str | torch.device | None = None,
        fold: int = 0,
        objective: tuple[str, bool | None] | None = None,
    ) -> None:
        """seed: of weights, order and noise. split_seed: of the splits. device: None for the task's.

        fold: which of the task's folds validates; each has weights, order and noise of its own.
        objective: (metric, whether more is better), by which the best epoch is kept; None for the task's.
        """
        config = config if isinstance(config, Config) else Config(config)
        self.task, self.config, self.device = task, config, task.on(device)
        self.seed = seeds.integer(seed, Purpose.FOLD, fold) if fold else seed
        self._isolated, self._objective = isolated, objective or task.objective
        self.epochs = _count(config, "epochs", task.epochs, at_most=task.epochs)
        self.batch_size = _count(config, "batch_size", 32)
        self.splits = task.splits(seed=seed, split_seed=split_seed, device=self.device, fold=fold)
        self.train = prefix(self.splits.train, _share(config, "data_fraction"), split_seed)
        isolated.seed(seeds.integer(self.seed, Purpose.INIT))
        self.model = _model(task, config).to(self.device)
        self.optimizer = _optimizer(task, self.model, config)
        self.max_norm: float | None = config.get("grad_clip")
        self.scheduler, self.pacer = _schedule(task, self.optimizer, config, self.epochs, self.n_batches)
        self._built = {
            "optimizer": untrained(self.optimizer), "scheduler": untrained(self.scheduler), "batches": self.n_batches,
        }  # fmt: skip
        self.forward = Forward(self.model, criterion(task, config, self.device), self.device, amp=task.amp)
        self.scales_loss = task.amp and short_float(self.device) == torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.scales_loss)
        self._step = self._made_step()
        self.best: Best | None = None

    @property
    def n_used(self) -> int:
        """Training samples per epoch: all, or all but one."""
        return _usable(len(self.train), self.batch_size)

    @property
    def n_batches(self) -> int:
        """Optimiser steps per epoch."""
        return math.ceil(self.n_used / self.batch_size)

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Trains epoch `epoch` (from 0) and validates; returns every metric, "loss" and "train_loss".

        A loss that is NaN is returned as it is; the caller decides.
        """
        total, n_seen, is_sum = torch.zeros((), device=self.device), 0, self.task.loss_is_sum
        for n, loss in self.steps(epoch):
            total.add_(loss, alpha=1 if is_sum else n)  # no .item(): it would wait for the device
            n_seen += n
        metrics = self.evaluate() | {"train_loss": float(total) / n_seen}
        self.note(epoch, metrics)
        return metrics

    def note(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """After epoch `epoch`: the schedule goes on, and the weights are kept if the objective is the best so far."""
        self.pacer.after_epoch(metrics[self._objective[0]])
        self._keep_best(epoch, metrics)

    def order(self, epoch: int) -> Tensor:
        """(n,) int64: the training rows of epoch `epoch`, in the order in which they are used."""
        draw = torch.Generator().manual_seed(seeds.integer(self.seed, Purpose.ORDER, epoch))
        return self.train.rows[torch.randperm(len(self.train), generator=draw)[: self.n_used]]

    def steps(self, epoch: int) -> Iterator[tuple[int, Tensor]]:
        """Trains epoch `epoch` batch by batch, without validation; each batch's size and loss, detached."""
        self.model.train()
        for batch in self._batches(epoch):
            yield batch.n, self._step(batch)
            self.pacer.after_batch()

    def evaluate(self, which: Literal["validation", "test"] = "validation") -> dict[str, float]:
        """Every metric and "loss" on a held-out part; leaves the model in evaluation mode."""
        part = self.splits.validation if which == "validation" else self.splits.test
        if part is None:
            raise TaskError("this task has no sealed test part; make it with Task(test=0.2) or Task(test=(x, y)).")
        self._isolated.seed(seeds.integer(self.seed, Purpose.NOISE))
        self.model.eval()
        total, outputs, targets = 0.0, [], []
        with torch.inference_mode():
            for batch in self._held_out(part):
                output, loss = self.forward(batch)
                total += float(loss) * (1 if self.task.loss_is_sum else batch.n)
                outputs.append(output)
                targets.append(batch.target)
            return {"loss": total / len(part)} | self._measured(outputs, targets)

    def rehearse(self) -> None:
        """One forward pass and loss, or the user's step, so that what they read of the configuration is noted.

        Spends the model: for a Run that is thrown away.
        """
        self.model.train()
        batch = next(iter(self._batches(0)))
        if self.task.step is not None:
            self._step(batch)
            return
        with torch.no_grad():
            self.forward(batch)

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch depends on, for `checkpoint.encode`. It holds the live tensors, not copies."""
        best = self.best
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "built": self._built,
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self._scaler.state_dict(),
            "best": None if best is None else {"epoch": best.epoch, "value": best.value, "weights": best.weights},
        }

    def misfit(self, other: Run) -> str | None:
        """Why this run cannot go on from the other one's state; None if it can."""
        here: Trained = self.model, self.optimizer, self.scheduler
        return misfit(here, (other.model, other.optimizer, other.scheduler))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict()` of the same task, with its own hyperparameters; `state` is left untouched.

        The model must have the same shape (see `misfit`). A scheduler goes on where the other one was; one that counts
        batches at the same share of them.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # torch would train the caller's tensors
        if self.scheduler is not None:
            self.scheduler.load_state_dict(copy.deepcopy(state["scheduler"]))
        own, others = self._built, state.get("built", self._built)
        pace = own["batches"] / others["batches"] if self.pacer.has_batches else 1.0
        take_over(self.optimizer, own["optimizer"], others["optimizer"])
        take_over(self.scheduler, own["scheduler"], others["scheduler"], pace)
        self._scaler.load_state_dict(state["scaler"])
        self.best = None if state["best"] is None else Best(**state["best"])

    def _made_step(self) -> Step:
        if self.task.step is not None:
            return user_step(self.task.step, self.model, self.optimizer, self.config)
        return PlainStep(self.forward, self.optimizer, self._scaler, self.max_norm)

    def _batches(self, epoch: int) -> Iterator[Batch]:
        noise = seeds.integer(self.seed, Purpose.NOISE, epoch)
        self._isolated.seed(noise)
        workers = torch.Generator().manual_seed(noise)
        return self.train.samples.batches(self.order(epoch), self.batch_size, workers)

    def _held_out(self, part: Part) -> Iterator[Batch]:
        workers = torch.Generator().manual_seed(seeds.integer(self.seed, Purpose.NOISE))
        return part.samples.batches(part.rows, part.samples.evaluation_size(self.batch_size), workers)

    def _measured(self, outputs: list[Any], targets: list[Any]) -> dict[str, float]:
        measures = {m.name: m.measure for m in self.task.measures if m.measure is not None}
        if not measures:
            return {}
        if not isinstance(outputs[0], Tensor) or not isinstance(targets[0], Tensor):
            raise TaskError(f"metrics {list(measures)} need a tensor from the model, got {type(outputs[0]).__name__}.")
        output, target = torch.cat(outputs), torch.cat(targets)
        return {name: float(measure(output, target)) for name, measure in measures.items()}

    def _keep_best(self, epoch: int, metrics: Mapping[str, float]) -> None:
        name, maximize = self._objective
        value = metrics[name]
        if maximize is None or math.isnan(value):
            return
        if self.best is None or (value > self.best.value if maximize else value < self.best.value):
            weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.best = Best(epoch, value, weights)


def _usable(n: int, size: int) -> int:
    """How many of `n` samples fill batches of `size`, none of them with a single sample unless that is all there is."""
    return n - 1 if n > 1 and size > 1 and n % size == 1 else n


def _model(task: Task, config: Config) -> nn.Module:
    model = task.model(config)
    if not isinstance(model, nn.Module):
        raise TaskError(f"model= must return a torch.nn.Module, got {type(model).__name__}.")
    return model


def _optimizer(task: Task, model: nn.Module, config: Config) -> Optimizer:
    if task.optimizer is None:
        return optimizers.named(model.parameters(), config)
    optimizer = task.optimizer(model.parameters(), config)
    if not isinstance(optimizer, Optimizer):
        raise TaskError(f"optimizer= must return a torch.optim.Optimizer, got {type(optimizer).__name__}.")
    return optimizer


def _schedule(
    task: Task, optimizer: Optimizer, config: Config, epochs: int, n_batches: int
) -> tuple[LRScheduler | None, Pacer]:
    if task.schedule is None:
        scheduler: LRScheduler | None = schedules.named(optimizer, config, epochs * n_batches)
        return scheduler, Pacer(scheduler, by_batch=True)
    scheduler = task.schedule(optimizer, config)
    if not isinstance(scheduler, LRScheduler):
        raise TaskError(f"schedule= must return a torch.optim.lr_scheduler, got {type(scheduler).__name__}.")
    return scheduler, Pacer(scheduler, by_batch=schedules.steps_by_batch(scheduler, epochs))


def _count(config: Config, name: str, default: int, *, at_most: int | None = None) -> int:
    value = config.get(name, default)
    fits = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1
    if not fits or (at_most is not None and value > at_most):
        limit = "" if at_most is None else f" and at most Task(epochs={at_most})"
        raise TaskError(f"config[{name!r}] must be an integer of at least 1{limit}, got {value!r}.")
    return int(value)


def _share(config: Config, name: str) -> float:
    value = config.get(name, 1.0)
    if not isinstance(value, (int, float, np.floating)) or isinstance(value, bool) or not 0 < value <= 1:
        raise TaskError(f"config[{name!r}] must be a share in (0, 1], got {value!r}.")
    return float(value)
