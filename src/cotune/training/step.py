"""One training step: forward, loss, backward, clip, update."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cotune.config import Config
from cotune.errors import TaskError
from cotune.training.samples import Batch
from cotune.training.task import Task, UserStep

Step = Callable[[Batch], Tensor]  # trains on one batch; the loss, detached


@final
@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """A task's loss for one run, (output, target) -> scalar. loss: a module of the run's own, or the task's function.

    config: the third argument, where the loss takes one. is_elementwise: targets take the output's shape and type.
    """

    loss: Callable[..., Tensor]
    config: Config | None
    is_elementwise: bool

    def __call__(self, output: Any, target: Any) -> Tensor:
        """The loss of a batch."""
        if self.config is not None:
            return self.loss(output, target, self.config)
        return self.loss(output, _fits(output, target) if self.is_elementwise else target)


@final
class Forward:
    """A model and its loss on a batch, in the task's precision, which holds inside `precision`."""

    def __init__(self, model: nn.Module, criterion: Criterion, device: torch.device, *, amp: bool) -> None:
        self.model = model
        self.criterion = criterion
        self.precision: AbstractContextManager[object] = contextlib.nullcontext()
        if amp:
            self.precision = torch.autocast(device.type, short_float(device))

    def __call__(self, batch: Batch) -> tuple[Any, Tensor]:
        """The model's output and the loss, a scalar."""
        with self.precision:
            output = self.model(*batch.inputs, **batch.named)
            return output, self.criterion(output, batch.target)


@final
class PlainStep:
    """The usual step. max_norm: of the gradient, None for no clipping."""

    def __init__(
        self, forward: Forward, optimizer: Optimizer, scaler: torch.amp.GradScaler, max_norm: float | None
    ) -> None:
        self._forward = forward
        self._optimizer = optimizer
        self._scaler = scaler if scaler.is_enabled() else None
        self._max_norm = max_norm

    def __call__(self, batch: Batch) -> Tensor:
        self._forget_gradients()
        loss = self._forward(batch)[1]
        if self._scaler is None:
            loss.backward()
            self._clip()
            self._optimizer.step()
        else:
            self._scaled(loss, self._scaler)
        return loss.detach()

    def _forget_gradients(self) -> None:
        """What `zero_grad(set_to_none=True)` does, without its profiler hooks (a tenth of a small model's step)."""
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _scaled(self, loss: Tensor, scaler: torch.amp.GradScaler) -> None:
        scaler.scale(loss).backward()
        if self._max_norm is not None:
            scaler.unscale_(self._optimizer)
        self._clip()
        scaler.step(self._optimizer)
        scaler.update()

    def _clip(self) -> None:
        if self._max_norm is not None:
            nn.utils.clip_grad_norm_(self._forward.model.parameters(), self._max_norm)


def short_float(device: torch.device) -> torch.dtype:
    """What mixed precision mixes in: bfloat16, or float16 on CUDA devices from before 2020, which lack it."""
    lacks_it = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.float16 if lacks_it else torch.bfloat16


def user_step(step: UserStep, model: nn.Module, optimizer: Optimizer, config: Config) -> Step:
    """A user's `step` as a Step."""

    def trained(batch: Batch) -> Tensor:
        loss = step(model, batch.plain, optimizer, config)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise TaskError(f"step= must return the loss as a tensor of one number, got {loss!r}.")
        return loss.detach().reshape(())

    return trained


def criterion(task: Task, config: Config, device: torch.device) -> Criterion:
    """The task's loss for one run: a copy of its own on `device`, with the configuration's `label_smoothing`."""
    loss = task.loss
    if isinstance(loss, nn.Module):
        loss = copy.deepcopy(loss).to(device)
    if "label_smoothing" in config:
        if not isinstance(loss, nn.Module) or not isinstance(getattr(loss, "label_smoothing", None), (int, float)):
            raise TaskError(
                f"config['label_smoothing'] needs a loss with that attribute, loss= is {task.loss!r}. "
                "Use nn.CrossEntropyLoss(), or take the name out of the space."
            )
        loss.label_smoothing = config["label_smoothing"]
    return Criterion(loss, config if task.loss_reads_config else None, task.loss_is_elementwise)


def _fits(output: Tensor, target: Tensor) -> Tensor:
    """The target of an elementwise loss in the output's shape and, where it holds integers, type.

    Without this an output (n, 1) and a target (n,) would silently broadcast to (n, n).
    """
    if target.shape != output.shape and target.numel() == output.numel():
        target = target.view_as(output)
    return target if target.is_floating_point() else target.to(output.dtype)
