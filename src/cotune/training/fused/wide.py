"""Updates of wide lanes, one after another, each by one kernel of torch that goes through memory once.

Where lanes have few numbers the way to that kernel costs more than to update them together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from cotune.training.fused.rows import Numbers, rows
from cotune.training.fused.updates import Floats, Group, Kind

_KERNELS = {"adam": torch._fused_adam_, "adamw": torch._fused_adamw_, "rmsprop": torch._fused_adam_}
_TYPES = (torch.float32, torch.float64)
_WIDE = 4096
"""Numbers of a lane from which on it pays."""
_LONG_AGO = 1e30
"""After so many steps Adam does not correct its means any more."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """What the kernel takes of a lane, each a list by parameter. used: how many numbers; None where it is all."""

    values: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
    used: list[int | None]


@final
class OneByOne:
    """Adam, AdamW, and RMSprop without momentum: which is Adam that takes the last gradient for its mean."""

    @staticmethod
    def suits(kind: Kind, numbers: Collection[Numbers]) -> bool:
        """Whether lanes of that kind, with these parameters, are updated so."""
        name, has_momentum, _ = kind
        width = sum(own.values.shape[1] for own in numbers)
        fits = all(own.values.device.type == "cpu" and own.parameter.dtype in _TYPES for own in numbers)
        return name in _KERNELS and not has_momentum and fits and width >= _WIDE

    def __init__(
        self, kind: Kind, groups: Sequence[Group], numbers: Mapping[str, Numbers],
        hyper: Sequence[Mapping[str, Floats]],
    ) -> None:  # fmt: skip
        """numbers: by parameter, of all groups. hyper: for each group, (n,) by name."""
        self._is_rmsprop, self._kernel = kind[0] == "rmsprop", _KERNELS[kind[0]]
        self._groups, self._numbers = groups, numbers
        self._rows = next(iter(numbers.values())).lanes
        self._steps = torch.full((self._rows.stop - self._rows.start,), _LONG_AGO)
        self._known: dict[tuple[str, ...], list[_Lane]] = {}
        self.read(hyper)

    def read(self, hyper: Sequence[Mapping[str, Floats]]) -> None:
        """Take these hyperparameters from now on."""
        self._options = [self._options_of(own) for own in hyper]

    def step(self, which: Sequence[bool], steps: Floats, gradients: Mapping[str, Tensor]) -> None:
        """As that of `Blocks`."""
        if not self._is_rmsprop:
            self._steps.copy_(torch.from_numpy(steps + 1))
        for group, options in zip(self._groups, self._options, strict=True):
            names = tuple([name for name in group.names if name in gradients])
            found = zip(*[rows(gradients[name])[self._rows].unbind() for name in names], strict=True)
            for is_stepping, lane, own, given in zip(which, self._lanes(names), found, options, strict=False):
                if is_stepping:
                    cut = [row if n is None else row[:n] for row, n in zip(own, lane.used, strict=True)]
                    means = cut if self._is_rmsprop else lane.means
                    self._kernel(lane.values, cut, means, lane.squares, [], lane.steps, **given)

    def _lanes(self, names: tuple[str, ...]) -> list[_Lane]:
        """With these parameters."""
        if names not in self._known:
            parts = [_parts(self._numbers[name]) for name in names]
            counted = self._steps.unbind()
            self._known[names] = [
                _Lane(values, means, squares, [counted[lane]] * len(names), used)
                for lane, (values, means, squares, used) in enumerate(
                    map(list, zip(*of_lane, strict=True)) for of_lane in zip(*parts, strict=True)
                )
            ]
        return self._known[names]

    def _options_of(self, hyper: Mapping[str, Floats]) -> list[dict[str, Any]]:
        """Of a group, by lane, as the kernel has them."""
        by_lane = zip(*(values.tolist() for values in hyper.values()), strict=True)
        found = [dict(zip(hyper, own, strict=True)) for own in by_lane]
        if self._is_rmsprop:
            same = ("lr", "weight_decay", "eps")
            found = [{**{name: own[name] for name in same}, "beta1": 0.0, "beta2": own["alpha"]} for own in found]
        return [{**own, "amsgrad": False, "maximize": False} for own in found]


def _parts(numbers: Numbers) -> list[tuple[Tensor, Tensor, Tensor, int | None]]:
    """Of a parameter, lane by lane: values, means, squares, and what `_Lane` calls used."""
    values, means, squares = numbers.values, rows(numbers.state[0]), rows(numbers.state[-1])
    return [
        (values[lane, :n], means[lane, :n], squares[lane, :n], None if n == values.shape[1] else n)
        for lane, n in enumerate(numbers.used)
    ]
