"""What an update does to the weights of lanes: torch's formulas, with vectors where a lane has numbers of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Kind = tuple[str, bool, bool]
"""Name of the rule, whether there is momentum, whether it is Nesterov's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An optimiser's update. state: names of the tensors that are kept per parameter. hyper: options that may differ.

    derived: (hyperparameters, number of steps taken before this one (n,)) -> the vectors (n,) that `update` takes.
    counts_steps: whether torch's state has that number. follows_steps: whether the vectors change with every step.
    """

    state: tuple[str, ...]
    hyper: tuple[str, ...]
    derived: Callable[[Mapping[str, Floats], Floats], dict[str, Floats]]
    update: Callable[[Block, Tensor], None]
    counts_steps: bool
    follows_steps: bool


@dataclass(slots=True)
class Block:
    """Some lanes of one parameter, or some columns of one lane, as (n, m); vectors are (n, 1).

    lanes: which they are. place: where its gradient is in that of all lanes of the population.
    """

    parameter: Tensor
    state: list[Tensor]
    scratch: Tensor
    vectors: dict[str, Tensor]
    lanes: slice
    place: tuple[slice, slice]
    group: Group
    root: Callable[[], Tensor]


def _decay(block: Block, gradient: Tensor) -> None:
    if block.group.decays:
        gradient.addcmul_(block.parameter, block.vectors["weight_decay"])


def _sgd(block: Block, gradient: Tensor) -> None:
    _decay(block, gradient)
    block.parameter.addcmul_(gradient, block.vectors["rate"], value=-1)


def _momentum(block: Block, gradient: Tensor) -> None:
    v, (buffer,) = block.vectors, block.state
    _decay(block, gradient)
    buffer.mul_(v["momentum"]).addcmul_(gradient, v["share"])
    block.parameter.addcmul_(buffer, v["rate"], value=-1)


def _nesterov(block: Block, gradient: Tensor) -> None:
    v, (buffer,) = block.vectors, block.state
    _decay(block, gradient)
    buffer.mul_(v["momentum"]).addcmul_(gradient, v["share"])
    block.parameter.addcmul_(gradient.addcmul_(buffer, v["momentum"]), v["rate"], value=-1)


def _adam(block: Block, gradient: Tensor) -> None:
    _decay(block, gradient)
    _adam_step(block, gradient)


def _adamw(block: Block, gradient: Tensor) -> None:
    if block.group.decays:
        block.parameter.mul_(block.vectors["kept"])
    _adam_step(block, gradient)


def _adam_step(block: Block, gradient: Tensor) -> None:
    """Kingma & Ba 2015, algorithm 1, with the bias corrections moved into `rate` and `eps` (their section 2)."""
    v, (mean, square), scratch = block.vectors, block.state, block.scratch
    mean.lerp_(gradient, v["by_mean"])
    square.lerp_(torch.mul(gradient, gradient, out=scratch), v["by_square"])
    block.root().add_(v["eps"])
    block.parameter.addcmul_(torch.div(mean, scratch, out=scratch), v["rate"], value=-1)


def _rmsprop(block: Block, gradient: Tensor) -> None:
    v, square, scratch = block.vectors, block.state[0], block.scratch
    _decay(block, gradient)
    square.lerp_(torch.mul(gradient, gradient, out=scratch), v["by_square"])
    block.root().add_(v["eps"])
    move = torch.div(gradient, scratch, out=scratch)
    if len(block.state) > 1:
        move = block.state[1].mul_(v["momentum"]).addcmul_(move, v["share"])
    block.parameter.addcmul_(move, v["rate"], value=-1)


def _plain_vectors(h: Mapping[str, Floats], steps: Floats) -> dict[str, Floats]:
    return {"rate": h["lr"], "weight_decay": h["weight_decay"]}


def _momentum_vectors(h: Mapping[str, Floats], steps: Floats) -> dict[str, Floats]:
    share = np.where(steps == 0, 1.0, 1.0 - h["dampening"])  # torch's first buffer is the gradient itself
    return {"rate": h["lr"], "weight_decay": h["weight_decay"], "momentum": h["momentum"], "share": share}


def _adam_vectors(h: Mapping[str, Floats], steps: Floats) -> dict[str, Floats]:
    root = np.sqrt(1 - h["beta2"] ** (steps + 1))
    return {
        "rate": h["lr"] * root / (1 - h["beta1"] ** (steps + 1)),
        "eps": h["eps"] * root,
        "by_mean": 1 - h["beta1"],
        "by_square": 1 - h["beta2"],
        "weight_decay": h["weight_decay"],
        "kept": 1 - h["lr"] * h["weight_decay"],
    }


def _rmsprop_vectors(h: Mapping[str, Floats], steps: Floats) -> dict[str, Floats]:
    return {
        "rate": h["lr"], "eps": h["eps"], "by_square": 1 - h["alpha"],
        "weight_decay": h["weight_decay"], "momentum": h["momentum"], "share": np.ones_like(h["lr"]),
    }  # fmt: skip


IDLE = {
    "rate": 0.0, "weight_decay": 0.0, "by_mean": 0.0, "by_square": 0.0, "momentum": 1.0, "share": 0.0, "kept": 1.0,
    "eps": 1.0,
}  # fmt: skip
"""With these vectors an update changes nothing, to the bit: what a lane has whose batch is not complete."""

SQUARES = ("exp_avg_sq", "square_avg")
"""What torch calls the running means of squared gradients."""
_RMSPROP_HYPER = ("lr", "weight_decay", "momentum", "alpha", "eps")
_ADAM_STATE, _ADAM_HYPER = ("exp_avg", "exp_avg_sq"), ("lr", "weight_decay", "beta1", "beta2", "eps")


def rule(kind: Kind) -> Rule:
    """How optimisers of that kind update weights."""
    match kind:
        case ("sgd", False, _):
            return Rule((), ("lr", "weight_decay"), _plain_vectors, _sgd, False, False)
        case ("sgd", True, is_nesterov):
            hyper = ("lr", "weight_decay", "momentum", "dampening")
            update = _nesterov if is_nesterov else _momentum
            return Rule(("momentum_buffer",), hyper, _momentum_vectors, update, False, False)
        case ("adam", _, _):
            return Rule(_ADAM_STATE, _ADAM_HYPER, _adam_vectors, _adam, True, True)
        case ("adamw", _, _):
            return Rule(_ADAM_STATE, _ADAM_HYPER, _adam_vectors, _adamw, True, True)
        case ("rmsprop", has_momentum, _):
            state = ("square_avg", "momentum_buffer") if has_momentum else ("square_avg",)
            return Rule(state, _RMSPROP_HYPER, _rmsprop_vectors, _rmsprop, True, False)
    raise AssertionError(kind)


@dataclass(slots=True)
class Group:
    """One parameter group of all lanes of one kind. decays: whether some lane has weight decay.

    vectors: what updates take, (n,), written in place; every second number of an array, so that a parameter with one
    number per lane is computed number by number, and not several lanes at once if there are many.
    """

    at: int
    names: list[str]
    vectors: dict[str, Tensor] = field(default_factory=dict)
    decays: bool = True
