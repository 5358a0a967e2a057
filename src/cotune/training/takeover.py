"""An optimiser and a scheduler that go on from another's state, with hyperparameters of their own.

A state holds the hyperparameters of what it was taken from, and putting an object back into a state brings them along.
A trial that is forked has others: weights and moments are its parent's, the learning rate is not. So with every state
goes how it looked before any training. What training has changed since is progress, and is taken over; what it has not
is a hyperparameter, and stays the own one.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

Trained = tuple[nn.Module, Optimizer, LRScheduler | None]
"""What a training consists of."""


def untrained(thing: Any) -> Any:
    """How an optimiser (by group) or a scheduler looks that has not trained yet; None of anything else."""
    if isinstance(thing, Optimizer):
        return [{name: value for name, value in group.items() if name != "params"} for group in thing.param_groups]
    return copy.deepcopy(thing.state_dict()) if isinstance(thing, LRScheduler) else None


def take_over(thing: Any, own: Any, others: Any, pace: float = 1.0) -> None:
    """Give what holds another's state its own hyperparameters again; nothing changes where they agree.

    own, others: both as they looked untrained. pace: how many steps a scheduler makes where the other one made one.
    """
    if own is None or others is None:
        return
    if _are_same(own, others) and pace == 1.0 and not isinstance(thing, LambdaLR):  # its state does not hold its shape
        return
    if isinstance(thing, Optimizer):
        for group, mine, theirs in zip(thing.param_groups, own, others, strict=True):
            rate = _rate(group["lr"], mine, theirs)
            group.update({name: _kept(group[name], value, theirs.get(name)) for name, value in mine.items()})
            group["lr"] = rate
        return
    thing.load_state_dict(_kept(thing.state_dict(), own, others))
    if pace != 1.0 and hasattr(thing, "last_epoch"):
        thing.last_epoch = round(thing.last_epoch * pace)
    _set_rates(thing)


def misfit(here: Trained, there: Trained) -> str | None:
    """Why a training cannot go on from another one's state; None if it can."""
    shapes, others = ({name: tuple(t.shape) for name, t in model.state_dict().items()} for model, _, _ in (here, there))
    for name in dict.fromkeys([*shapes, *others]):
        if shapes.get(name) != others.get(name):
            return f"{name} is {_shape(shapes.get(name))} in one model and {_shape(others.get(name))} in the other"
    for what, at in (("optimiser", 1), ("learning rate schedule", 2)):
        kind, other = ("none" if one[at] is None else type(one[at]).__name__ for one in (here, there))
        if kind != other:
            return f"one {what} is {kind}, the other is {other}"
    return None


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(shape)


def _kept(now: Any, own: Any, others: Any) -> Any:
    """Of a state as it is now: what training has changed; elsewhere what the own one was made with."""
    if isinstance(now, dict) and isinstance(own, dict) and isinstance(others, dict):
        return {name: _kept(value, own.get(name, value), others.get(name)) for name, value in now.items()}
    are_lists = isinstance(now, list) and isinstance(own, list) and isinstance(others, list)
    if are_lists and len(now) == len(own) == len(others):
        return [_kept(*values) for values in zip(now, own, others, strict=True)]
    return own if _are_same(now, others) else now


def _rate(now: Any, own: dict[str, Any], others: dict[str, Any]) -> Any:
    """The own learning rate, moved as far from where it began as the other one was."""
    if _are_same(now, others["lr"]):
        return own["lr"]
    begin, other = (made.get("initial_lr", made["lr"]) for made in (own, others))
    return begin * (now / other) if other else begin


def _set_rates(scheduler: Any) -> None:
    """Where a scheduler can say what the rate is now, by its own hyperparameters alone, that is what it is."""
    groups = scheduler.optimizer.param_groups
    if isinstance(scheduler, LambdaLR):
        rates = [
            base * f(scheduler.last_epoch) for base, f in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        ]
    elif hasattr(scheduler, "_get_closed_form_lr"):
        rates = scheduler._get_closed_form_lr()
    else:
        rates = [group["lr"] for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    for one in (scheduler, *getattr(scheduler, "_schedulers", ())):
        one._last_lr = list(rates)
    for i, group in enumerate(groups):
        if "initial_lr" in group and hasattr(scheduler, "base_lrs"):
            group["initial_lr"] = scheduler.base_lrs[i]


def _are_same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_are_same, one, other))
    return bool(one == other)
