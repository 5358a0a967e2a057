"""SGD, Adam, AdamW and RMSprop for lanes: torch's arithmetic, with hyperparameters that differ from lane to lane.

Each lane keeps its real torch optimiser. Hyperparameters are read off its `param_groups`, which schedulers change; its
state are views of the stacked one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cotune.training.fused.blocks import Blocks
from cotune.training.fused.graphs import Graphs
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.rows import Numbers, rows
from cotune.training.fused.updates import Floats, Group, Kind, rule
from cotune.training.fused.wide import OneByOne
from cotune.training.fused.widths import corner

_UNSUPPORTED = ("amsgrad", "centered", "maximize", "differentiable")


def kind_of(optimizer: Optimizer) -> Kind:
    """What lanes must share to be updated together. Raises Unfusable for an optimiser that has no lane version."""
    names = {SGD: "sgd", Adam: "adam", AdamW: "adamw", RMSprop: "rmsprop"}
    name = names.get(type(optimizer))
    if name is None:
        raise Unfusable(f"its optimiser {type(optimizer).__name__} has no version for lanes")
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        raise Unfusable("its optimiser has hooks")
    for group in optimizer.param_groups:
        _require_version(name, group)
    groups = optimizer.param_groups
    has_momentum = name in ("sgd", "rmsprop") and any(group["momentum"] != 0 for group in groups)
    is_nesterov = {bool(group.get("nesterov", False)) for group in groups}
    if len(is_nesterov) > 1:
        raise Unfusable("its parameter groups differ in nesterov")
    return name, has_momentum, is_nesterov.pop()


def _require_version(name: str, group: Mapping[str, Any]) -> None:
    """Raises Unfusable for options that have no version for lanes."""
    for option in _UNSUPPORTED:
        if group.get(option):
            raise Unfusable(f"its optimiser has {option}=True, which has no version for lanes")
    if isinstance(group["lr"], Tensor):
        raise Unfusable("its learning rate is a tensor")
    if name == "adam" and group.get("decoupled_weight_decay"):
        raise Unfusable("its Adam decays weights as AdamW does; use AdamW")
    if name == "rmsprop" and group["alpha"] >= 1:
        raise Unfusable("its RMSprop never forgets: its alpha is not below 1")


def _option(group: Mapping[str, Any], name: str) -> float:
    if name in ("beta1", "beta2"):
        return float(group["betas"][name == "beta2"])
    return float(group[name])


@final
class LaneOptimizer:
    """The optimisers of lanes of one kind that lie side by side, as one."""

    def __init__(
        self,
        kind: Kind,
        optimizers: Sequence[Optimizer],
        names: Sequence[Mapping[Tensor, str]],
        parameters: Mapping[str, Tensor],
        lanes: slice,
        graphs: Graphs | None = None,
    ) -> None:
        """names: of each lane's parameters. parameters: name -> (K, ...), of all lanes. lanes: which these are."""
        self._rule, self._optimizers, self._names = rule(kind), list(optimizers), list(names)
        self._parameters, self._lanes = parameters, lanes
        first = next(iter(parameters.values()))
        if any(rows(parameter).dtype != rows(first).dtype for parameter in parameters.values()):
            raise Unfusable("its parameters differ in precision")
        self._groups = [
            Group(at, [names[0][parameter] for parameter in group["params"] if parameter.requires_grad])
            for at, group in enumerate(optimizers[0].param_groups)
        ]
        by_name = [{name: parameter for parameter, name in own.items()} for own in names]
        numbers = {
            name: Numbers(parameters[name].detach(), self._taken(name, by_name), [own[name] for own in by_name], lanes)
            for group in self._groups
            for name in group.names
        }
        self._state = {name: own.state for name, own in numbers.items()}
        self._stateful = {
            name
            for own, optimizer in zip(by_name, self._optimizers, strict=True)
            for name in self._state
            if optimizer.state.get(own[name])
        }  # which parameters have a state: as in torch, those that have had a gradient
        self._steps = np.array([self._taken_steps(lane) for lane in range(len(optimizers))])
        for optimizer in optimizers:
            optimizer._opt_called = True  # type: ignore[attr-defined]  # or schedulers warn that it never steps
        hyper = self._hyper()
        self._updates: Blocks | OneByOne
        if OneByOne.suits(kind, numbers.values()):
            self._updates = OneByOne(kind, self._groups, numbers, hyper)
        else:
            self._updates = Blocks(self._rule, self._groups, numbers, hyper, self._steps, graphs)
        self.lend()

    def refresh(self) -> None:
        """Read the hyperparameters off the torch optimisers again, after their schedulers went on."""
        self._updates.read(self._hyper())

    def step(self, which: Sequence[bool], gradients: Mapping[str, Tensor]) -> None:
        """Update those lanes of the population, all parameters that have a gradient; changes the gradients.

        Without autograd. which: of the first lanes. gradients: of these, by the parameters' names.
        """
        own = which[self._lanes]
        if any(own):
            self._updates.step(own, self._steps, gradients)
            self._steps += own
            self._stateful.update(self._state.keys() & gradients.keys())

    def lend(self) -> None:
        """Make the state of the torch optimisers what it is here."""
        if self._rule.state:
            for lane in reversed(range(len(self._optimizers))):  # of lanes that share an optimiser the first one counts
                if self._steps[lane] > 0:
                    self._lend(lane)

    def _lend(self, lane: int) -> None:
        optimizer, names = self._optimizers[lane], self._names[lane]
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if names[parameter] not in self._stateful:
                    continue
                own = optimizer.state[parameter]
                for key, value in zip(self._rule.state, self._state[names[parameter]], strict=True):
                    own[key] = value[lane][corner(parameter.shape)]
                if self._rule.counts_steps:
                    own["step"] = torch.tensor(self._steps[lane], dtype=torch.float32)

    def release(self) -> None:
        """Give the torch optimisers states of their own."""
        self.lend()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    own = optimizer.state.get(parameter, {})
                    for key in own:
                        own[key] = own[key].clone(memory_format=torch.contiguous_format)
                    if "step" in own and (group.get("fused") or group.get("capturable")):
                        own["step"] = own["step"].to(parameter.device)  # where torch's one kernel looks for it

    def _hyper(self) -> list[dict[str, Floats]]:
        """Of every group, by lane."""
        groups = ([optimizer.param_groups[group.at] for optimizer in self._optimizers] for group in self._groups)
        return [{name: np.array([_option(lane, name) for lane in own]) for name in self._rule.hyper} for own in groups]

    def _taken(self, name: str, parameters: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
        """The state of one parameter, stacked; zeros where a lane has none yet."""
        like = self._parameters[name].detach()[self._lanes]
        taken = []
        for key in self._rule.state:
            stacked = torch.zeros_like(like, memory_format=torch.contiguous_format)
            for lane, (optimizer, by_name) in enumerate(zip(self._optimizers, parameters, strict=True)):
                value = optimizer.state.get(by_name[name], {}).get(key)
                if value is not None:
                    stacked[lane][corner(value.shape)].copy_(value)
            taken.append(stacked)
        return taken

    def _taken_steps(self, lane: int) -> float:
        """How often a lane was updated; for SGD, which does not count, whether it was."""
        states = [state for state in self._optimizers[lane].state.values() if state]
        if not self._rule.counts_steps:
            return float(any(state.get("momentum_buffer") is not None for state in states))
        return max((float(state["step"]) for state in states), default=0.0)
