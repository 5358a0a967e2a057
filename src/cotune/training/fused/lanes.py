"""What the operations of one pass need to know of its lanes: who draws which numbers, and which samples count.

Each lane has a generator of its own, so what it draws does not depend on its neighbours. It draws in the order, shape
and distribution in which its model draws alone after torch's default generator was seeded alike; so dropout masks are
the same bits whether a trial trains in a lane or by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor

from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.ticks import Parts, Tick
from cotune.training.fused.widths import corner
from cotune.training.fused.zeros import Marks

_NONE: Marks = MappingProxyType({})
Fill = Callable[[Tensor, torch.Generator, int], object]
"""Fills one lane's tensor in place from its generator; the number says which lane it is."""
Draw = Callable[[], Tensor]
"""Noise for all lanes, drawn anew."""


@final
@dataclass(slots=True)
class Notes:
    """What a pass has of its lanes besides tensors. drawn: its noise, in order. draws: how to draw that anew."""

    drawn: list[Tensor] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)


@final
@dataclass(slots=True)
class Again:
    """A pass that is made again, and draws nothing. left: the noise it had.

    read: values that leave torch in it. truths: flags that have to be true, which it does not look at.
    """

    left: list[Tensor]
    read: list[Tensor] = field(default_factory=list)
    truths: list[Tensor] = field(default_factory=list)


@final
class Lanes:
    """K lanes. weights (K, samples): what each sample's loss counts in this pass; None where losses are plain means.

    notes: what is noted of the pass, if anything. again: it is one that was made before.
    """

    def __init__(self, n_lanes: int, device: torch.device) -> None:
        self.weights: Tensor | None = None
        self.notes: Notes | None = None
        self.again: Again | None = None
        self._generators = [torch.Generator(device) for _ in range(n_lanes)]
        self._device = device
        self._parts: Parts | None = None
        self._drawn: list[list[Tensor]] = [[] for _ in range(n_lanes)]
        self._n_calls, self._n = 0, n_lanes

    def __len__(self) -> int:
        """How many are in the pass."""
        return self._n

    def seed(self, seeds: Sequence[int]) -> None:
        """Start every lane's stream anew."""
        for generator, seed in zip(self._generators, seeds, strict=True):
            generator.manual_seed(seed)

    def enter(self, tick: Tick | None) -> None:
        """Before a pass over a tick, by its lanes; None for whole batches of all lanes, whose samples count alike."""
        self.weights, self._parts = (None, None) if tick is None else (tick.weights, tick.parts)
        self._n_calls, self._n = 0, len(self._generators) if tick is None else len(tick.steps)

    def numbers(self, value: Any) -> list[float]:
        """One per lane, from a number or (K,) of them."""
        if not isinstance(value, Tensor):
            return [float(value)] * self._n
        if self.again is not None:
            self.again.read.append(value)
        return list(value.tolist())

    def require(self, truth: Tensor, reason: str) -> None:
        """Raises Unfusable with that reason unless the flag is true, also where the pass is made again."""
        if self.again is not None:
            self.again.truths.append(truth)
        elif not bool(truth):
            raise Unfusable(reason)

    def filled(self, shape: Sequence[int], dtype: torch.dtype, fill: Fill, marks: Marks = _NONE) -> Tensor:
        """(K, *shape): each lane filled by itself. Of a batch in pieces, all is drawn with the first.

        marks: where lanes have sizes of their own; the rest draws nothing, and has zeros.
        """
        if self.again is not None:
            return self.again.left.pop(0)
        drawn = self._drawn_by_lanes(shape, dtype, fill, marks)
        if self.notes is not None:
            self.notes.drawn.append(drawn.clone())  # the code may change it
            self.notes.draws.append(lambda: self._drawn_by_lanes(shape, dtype, fill, marks))
        return drawn

    def _drawn_by_lanes(self, shape: Sequence[int], dtype: torch.dtype, fill: Fill, marks: Marks) -> Tensor:
        drawn = torch.empty((self._n, *shape), dtype=dtype, device=self._device)
        if self.weights is not None and (not shape or shape[0] != self.weights.shape[1] or 0 in marks):
            raise Unfusable("draws noise whose first dimension is not the samples")
        for lane, values in enumerate(drawn.unbind(0)):
            own = [marks[at][lane] if at in marks else size for at, size in enumerate(shape)]
            self._fill(values, own, lane, fill)
        self._n_calls += 1
        return drawn

    def kept(
        self, shape: Sequence[int], dtype: torch.dtype, p: Sequence[float], *, is_scaled: bool = True,
        marks: Marks = _NONE,
    ) -> Tensor:  # fmt: skip
        """(K, *shape): 0 with probability p and otherwise 1, or 1 / (1 - p) if scaled.

        A lane with p of 0 or 1 draws nothing, as torch has it.
        """

        def fill(values: Tensor, generator: torch.Generator, lane: int) -> None:
            share = 1 - p[lane]
            if 0 < share < 1:
                values.bernoulli_(share, generator=generator)
                if is_scaled:
                    values.div_(share)
            else:
                values.fill_(share)

        return self.filled(shape, dtype, fill, marks)

    def _fill(self, values: Tensor, own: Sequence[int], lane: int, fill: Fill) -> None:
        """own: the lane's shape."""
        if self._parts is not None:
            self._fill_part(values, [int(self._parts.size[lane]), *own[1:]], lane, fill)
        elif list(values.shape) == own:
            fill(values, self._generators[lane], lane)
        else:
            drawn = values.new_empty(own)
            fill(drawn, self._generators[lane], lane)
            values.zero_()[corner(own)] = drawn

    def _fill_part(self, values: Tensor, whole: Sequence[int], lane: int, fill: Fill) -> None:
        """whole: the shape for all samples of the lane's batch."""
        assert self._parts is not None
        first, n, kept = int(self._parts.first[lane]), int(self._parts.n[lane]), self._drawn[lane]
        values.zero_()
        if not n:
            return
        if first == 0:
            drawn = values.new_empty(whole)
            fill(drawn, self._generators[lane], lane)
            del kept[self._n_calls :]
            kept.append(drawn)
        values[corner((n, *whole[1:]))] = kept[self._n_calls][first : first + n]
