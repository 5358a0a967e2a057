"""SGD, Adam, AdamW and RMSprop for lanes: torch's arithmetic, with hyperparameters that differ from lane to lane.

Each lane keeps its real torch optimiser. Hyperparameters are read off its `param_groups`, which schedulers change; its
state are views of the stacked one. Updates go through the tensors in blocks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.updates import IDLE, SQUARES, Block, Floats, Group, Kind, rule
from cotune.training.fused.widths import corner

_BLOCK = 64 * 1024
"""Numbers per block: with four or five such arrays an update stays in a usual second-level cache."""
_UNSUPPORTED = ("amsgrad", "centered", "maximize", "differentiable")

Bools = NDArray[np.bool_]


def kind_of(optimizer: Optimizer) -> Kind:
    """What lanes must share to be updated together. Raises Unfusable for an optimiser that has no lane version."""
    names = {SGD: "sgd", Adam: "adam", AdamW: "adamw", RMSprop: "rmsprop"}
    name = names.get(type(optimizer))
    if name is None:
        raise Unfusable(f"its optimiser {type(optimizer).__name__} has no version for lanes")
    groups = optimizer.param_groups
    for option in _UNSUPPORTED:
        if any(group.get(option) for group in groups):
            raise Unfusable(f"its optimiser has {option}=True, which has no version for lanes")
    if any(isinstance(group["lr"], Tensor) for group in groups):
        raise Unfusable("its learning rate is a tensor")
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        raise Unfusable("its optimiser has hooks")
    if name == "adam" and any(group.get("decoupled_weight_decay") for group in groups):
        raise Unfusable("its Adam decays weights as AdamW does; use AdamW")
    has_momentum = name in ("sgd", "rmsprop") and any(group["momentum"] != 0 for group in groups)
    is_nesterov = {bool(group.get("nesterov", False)) for group in groups}
    if len(is_nesterov) > 1:
        raise Unfusable("its parameter groups differ in nesterov")
    return name, has_momentum, is_nesterov.pop()


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
    ) -> None:
        """names: of each lane's parameters. parameters: name -> (K, ...), of all lanes. lanes: which these are."""
        self._rule, self._optimizers, self._names = rule(kind), list(optimizers), list(names)
        self._parameters, self._lanes = parameters, lanes
        first = next(iter(parameters.values()))
        self._dtype, self._device = _rows(first.detach()).dtype, first.device
        if any(_rows(parameter.detach()).dtype != self._dtype for parameter in parameters.values()):
            raise Unfusable("its parameters differ in precision")
        self._groups = [
            Group(at, [names[0][parameter] for parameter in group["params"] if parameter.requires_grad])
            for at, group in enumerate(optimizers[0].param_groups)
        ]
        by_name = [{name: parameter for parameter, name in own.items()} for own in names]
        self._state = {name: self._taken(name, by_name) for group in self._groups for name in group.names}
        self._steps = np.array([self._taken_steps(lane) for lane in range(len(optimizers))])
        for optimizer in optimizers:
            optimizer._opt_called = True  # type: ignore[attr-defined]  # or schedulers warn that it never steps
        self._hyper: list[dict[str, Floats]] = []
        self._is_settled = False
        self.refresh()
        self._derive()
        self._blocks = [
            (name, block) for group in self._groups for name in group.names for block in self._cut(group, name)
        ]
        self.lend()

    def refresh(self) -> None:
        """Read the hyperparameters off the torch optimisers again, after their schedulers went on."""
        self._is_settled = False
        self._hyper = [
            {
                name: np.array([_option(o.param_groups[group.at], name) for o in self._optimizers])
                for name in self._rule.hyper
            }
            for group in self._groups
        ]

    def step(self, which: Sequence[bool], gradients: Mapping[str, Tensor]) -> None:
        """Update those lanes of the population, all parameters that have a gradient; changes the gradients.

        which: of its first lanes. gradients: of the first lanes, by the parameters' names.
        """
        own = which[self._lanes]
        if not any(own):
            return
        is_stepping = np.array(own)
        self._derive(None if all(own) else is_stepping)
        self._steps += is_stepping
        flat: dict[str, Tensor | None] = {}
        with torch.no_grad():
            for name, block in self._blocks:
                if not any(own[block.place[0]]):
                    continue
                if name not in flat:
                    gradient = gradients.get(name)
                    flat[name] = None if gradient is None else _rows(gradient[self._lanes])
                gradient = flat[name]
                if gradient is not None:
                    self._rule.update(block, gradient[block.place])

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
                if not parameter.requires_grad:
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

    def _derive(self, is_stepping: Bools | None = None) -> None:
        """Compute what updates take, in double precision; nothing if it would be what it was."""
        if self._is_settled and is_stepping is None:
            return
        for group, hyper in zip(self._groups, self._hyper, strict=True):
            group.decays = bool(np.any(hyper["weight_decay"] != 0))
            for name, every in self._rule.derived(hyper, self._steps).items():
                values = every if is_stepping is None else np.where(is_stepping, every, IDLE[name])
                if name not in group.vectors:
                    spread = torch.zeros(len(values), 2, dtype=self._dtype, device=self._device)
                    group.vectors[name] = spread[:, 0]  # see `Group`
                group.vectors[name].copy_(torch.from_numpy(values))
        is_the_same_each_step = not self._rule.follows_steps and bool(np.all(self._steps > 0))
        self._is_settled = is_the_same_each_step and is_stepping is None

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

    def _cut(self, group: Group, name: str) -> Iterator[Block]:
        """A parameter's blocks."""
        rows = _rows(self._parameters[name].detach()[self._lanes])
        states = [_rows(state) for state in self._state[name]]
        squares = next((s for key, s in zip(self._rule.state, states, strict=True) if key in SQUARES), None)
        n, width = rows.shape
        size = rows.numel() if self._device.type == "cuda" else _BLOCK
        n_rows, n_columns = max(1, size // max(width, 1)), min(width, size)
        for top in range(0, n, n_rows):
            for left in range(0, width, n_columns):
                place = (slice(top, top + n_rows), slice(left, left + n_columns))
                part, scratch = rows[place], torch.empty_like(rows[place], memory_format=torch.contiguous_format)
                vectors = {key: value[place[0], None] for key, value in group.vectors.items()}
                yield Block(
                    part,
                    [state[place] for state in states],
                    scratch,
                    vectors,
                    place,
                    group,
                    _root(squares[place], scratch) if squares is not None else _no_root,
                )


def _root(square: Tensor, result: Tensor) -> Callable[[], Tensor]:
    """Writes the square root of one tensor into another.

    On the CPU by NumPy: torch built with MKL takes six times as long where there are zeros, and what never had a
    gradient has many.
    """
    if square.device.type != "cpu":
        return lambda: torch.sqrt(square, out=result)
    source, target = square.numpy(), result.numpy()

    def root() -> Tensor:
        np.sqrt(source, out=target)
        return result

    return root


def _no_root() -> Tensor:
    raise AssertionError("this rule takes no root")


def _rows(tensor: Tensor) -> Tensor:
    """(n, ...) as (n, m) real numbers, as torch's optimisers see complex ones."""
    real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return real.reshape(len(real), -1)
