"""An optimiser that goes on from another's state, with hyperparameters of its own.

A state holds the hyperparameters of the optimiser that it was taken from, and putting an optimiser back into a state
brings them along. A trial that is forked has others: weights and moments are its parent's, the learning rate is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Groups = Sequence[Mapping[str, Any]]
"""Name -> value, for each group of an optimiser's parameters."""


def hyperparameters(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Of every group, as they are now."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def made_with(thing: Any) -> list[dict[str, Any]] | None:
    """By group, what an optimiser that has not trained yet was made with, or a scheduler of it; None of others."""
    if isinstance(thing, Optimizer):
        return hyperparameters(thing)
    if isinstance(thing, LRScheduler) and hasattr(thing, "base_lrs"):
        return [{"lr": rate} for rate in thing.base_lrs]
    return None


def keep(thing: Any, own: Groups | None, others: Groups | None) -> None:
    """Give what holds another's state what it was made with itself; see `take_over`."""
    if own is None or others is None:
        return
    if isinstance(thing, Optimizer):
        take_over(thing, None, own, others)
        return
    for i, (group, mine, other) in enumerate(zip(thing.optimizer.param_groups, own, others, strict=True)):
        if mine["lr"] != other["lr"]:
            _rebase(thing, i, group, mine["lr"])


def misfit(here: tuple[nn.Module, Optimizer], there: tuple[nn.Module, Optimizer]) -> str | None:
    """Why a training cannot go on from another one's state; None if it can."""
    shapes, others = ({name: tuple(t.shape) for name, t in model.state_dict().items()} for model, _ in (here, there))
    for name in dict.fromkeys([*shapes, *others]):
        if shapes.get(name) != others.get(name):
            return f"{name} is {_shape(shapes.get(name))} in one model and {_shape(others.get(name))} in the other"
    kind, other = (type(optimizer).__name__ for _, optimizer in (here, there))
    return None if kind == other else f"one optimiser is {kind}, the other is {other}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(shape)


def take_over(optimizer: Optimizer, scheduler: LRScheduler | None, own: Groups, others: Groups) -> None:
    """Give an optimiser that holds another's state its own hyperparameters again; nothing changes where they agree.

    own, others: both as they were when the optimisers were made. Where a scheduler has moved the learning rate, it is
    moved as far from the own one.
    """
    for i, (group, mine, other) in enumerate(zip(optimizer.param_groups, own, others, strict=True)):
        changed = {name: value for name, value in mine.items() if name in other and other[name] != value}
        rate = changed.pop("lr", None)
        group.update(changed)
        if rate is not None:
            group["lr"] = rate * (group["lr"] / other["lr"] if other["lr"] else 1.0)
            if scheduler is not None:
                _rebase(scheduler, i, group, rate)


def _rebase(scheduler: LRScheduler, i: int, group: dict[str, Any], rate: float) -> None:
    """Have a scheduler, and those that it is made of, take `rate` for what group i began with."""
    group["initial_lr"] = rate
    for one in (scheduler, *getattr(scheduler, "_schedulers", ())):
        for name, value in (("base_lrs", rate), ("_last_lr", group["lr"])):
            if hasattr(one, name):
                getattr(one, name)[i] = value
