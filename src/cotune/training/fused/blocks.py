"""Updates of many lanes at once, in blocks of numbers that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotune.training.fused.graphs import Graphs
from cotune.training.fused.rows import Numbers, rows
from cotune.training.fused.updates import IDLE, SQUARES, Block, Floats, Group, Rule

_BLOCK = 64 * 1024
"""Numbers per block: with four or five such arrays an update stays in a usual second-level cache."""

Bools = NDArray[np.bool_]


@final
class Blocks:
    """Some lanes of one parameter at a time, or some numbers of one lane if it has many; on a GPU all at once."""

    def __init__(
        self, rule: Rule, groups: Sequence[Group], numbers: Mapping[str, Numbers],
        hyper: Sequence[Mapping[str, Floats]], steps: Floats, graphs: Graphs | None = None,
    ) -> None:  # fmt: skip
        """numbers: by parameter, of all groups. hyper: for each group, (n,) by name. steps: (n,), taken so far."""
        self._rule, self._groups, self._graphs = rule, groups, graphs
        first = next(iter(numbers.values())).values
        names = list(rule.derived(hyper[0], steps))
        self._n, self._idle = len(steps), np.array([[IDLE[name]] for name in names])
        self._prepared = torch.zeros(len(groups), len(names), len(steps), 2, dtype=first.dtype)
        self._vectors = self._prepared.to(first.device)
        for group, own in zip(groups, self._vectors, strict=True):
            group.vectors = {name: vector[:, 0] for name, vector in zip(names, own, strict=True)}  # see `Group`
        self._blocks = [(name, list(_blocks(numbers[name], rule, group))) for group in groups for name in group.names]
        self.read(hyper)

    def read(self, hyper: Sequence[Mapping[str, Floats]]) -> None:
        """Take these hyperparameters from now on."""
        self._hyper, self._is_settled = hyper, False
        for group, own in zip(self._groups, hyper, strict=True):
            group.decays = bool(np.any(own["weight_decay"] != 0))

    def step(self, which: Sequence[bool], steps: Floats, gradients: Mapping[str, Tensor]) -> None:
        """which: of these lanes. steps: how often they were updated. gradients: of lanes of the population, by name."""
        self._derive(steps, None if all(which) else np.array(which))
        if self._graphs is None:
            self._update(which, gradients)
        else:
            self._update_by_graph(self._graphs, gradients)

    def _update(self, which: Sequence[bool], gradients: Mapping[str, Tensor]) -> None:
        for name, blocks in self._blocks:
            if name in gradients:
                gradient = rows(gradients[name])
                for block in blocks:
                    if any(which[block.lanes]):
                        self._rule.update(block, gradient[block.place])

    def _update_by_graph(self, graphs: Graphs, gradients: Mapping[str, Tensor]) -> None:
        """Of all lanes, as the vectors of those that idle change nothing."""
        found = {name: gradients[name] for name, _ in self._blocks if name in gradients}
        blocks = [block for name, of_name in self._blocks if name in found for block in of_name]
        changes = [*found.values(), *(tensor for block in blocks for tensor in (block.parameter, *block.state))]

        def work(*given: Tensor) -> Sequence[Tensor]:
            self._update([True] * self._n, dict(zip(found, given, strict=True)))
            return ()

        key = "update", id(self), tuple(group.decays for group in self._groups)
        graphs(key, work, list(found.values()), (), changes)

    def _derive(self, steps: Floats, is_stepping: Bools | None) -> None:
        """Compute what updates take, in double precision; nothing if it would be what it was."""
        if self._is_settled and is_stepping is None:
            return
        for prepared, hyper in zip(self._prepared, self._hyper, strict=True):
            every = np.stack(list(self._rule.derived(hyper, steps).values()))
            values = every if is_stepping is None else np.where(is_stepping, every, self._idle)
            prepared[..., 0].copy_(torch.from_numpy(values))
        if self._vectors is not self._prepared:
            self._vectors.copy_(self._prepared)
        is_the_same_each_step = not self._rule.follows_steps and bool(np.all(steps > 0))
        self._is_settled = is_the_same_each_step and is_stepping is None


def _blocks(numbers: Numbers, rule: Rule, group: Group) -> Iterator[Block]:
    """A parameter's."""
    values, state, used = numbers.values, [rows(state) for state in numbers.state], numbers.used
    squares = next((own for key, own in zip(rule.state, state, strict=True) if key in SQUARES), None)
    (n, width), first = values.shape, numbers.lanes.start
    size = values.numel() if values.device.type == "cuda" else _BLOCK
    n_rows, n_columns = max(1, size // max(width, 1)), max(1, min(width, size))
    for top in range(0, n, n_rows):
        lanes = slice(top, min(top + n_rows, n))
        most = max(used[lanes])
        for left in range(0, most, n_columns):
            columns = slice(left, min(left + n_columns, most))
            part = values[lanes, columns]
            scratch = torch.empty_like(part, memory_format=torch.contiguous_format)
            yield Block(
                part,
                [own[lanes, columns] for own in state],
                scratch,
                {key: vector[lanes, None] for key, vector in group.vectors.items()},
                lanes,
                (slice(first + lanes.start, first + lanes.stop), columns),
                group,
                _no_root if squares is None else _root(squares[lanes, columns], scratch),
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
