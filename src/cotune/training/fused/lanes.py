"""What the operations of one pass need to know of its lanes: who draws which numbers, and which samples count.

Each lane has a generator of its own, so what it draws does not depend on its neighbours. It draws in the order, shape
and distribution in which its model draws alone after torch's default generator was seeded alike; so dropout masks are
the same bits whether a trial trains in a lane or by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.ticks import Parts, Tick
from cotune.training.fused.widths import corner

Fill = Callable[[Tensor, torch.Generator, int], object]
"""Fills one lane's tensor in place from its generator; the number says which lane it is."""


@final
class Lanes:
    """K lanes. weights (K, samples): what each sample's loss counts in this pass; None where losses are plain means."""

    def __init__(self, widths: Sequence[Mapping[int, int]], device: torch.device) -> None:
        """widths: per lane, its own sizes of what is filled up -> to what."""
        n_lanes = len(widths)
        self.weights: Tensor | None = None
        self._own = [_inverted(own) for own in widths]
        self._generators = [torch.Generator(device) for _ in range(n_lanes)]
        self._device = device
        self._parts: Parts | None = None
        self._drawn: list[list[Tensor]] = [[] for _ in range(n_lanes)]
        self._n_calls, self._n = 0, n_lanes
        self._n_samples: int | None = None

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
        self._n_samples = None if tick is None else tick.batch.target.shape[1]

    def filled(self, shape: Sequence[int], dtype: torch.dtype, fill: Fill) -> Tensor:
        """(K, *shape): each lane filled by itself. Of a batch in pieces, all is drawn with the first.

        Units that are filled up draw nothing, and have zeros.
        """
        drawn = torch.empty((self._n, *shape), dtype=dtype, device=self._device)
        if (self._parts is not None or any(self._own)) and (not shape or shape[0] != self._n_samples):
            raise Unfusable("draws noise whose first dimension is not the samples")
        for lane, (values, generator) in enumerate(zip(drawn.unbind(0), self._generators, strict=False)):
            self._fill(values, generator, lane, fill)
        self._n_calls += 1
        return drawn

    def kept(self, shape: Sequence[int], dtype: torch.dtype, p: Sequence[float], *, is_scaled: bool = True) -> Tensor:
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

        return self.filled(shape, dtype, fill)

    def _fill(self, values: Tensor, generator: torch.Generator, lane: int, fill: Fill) -> None:
        own, shape = self._own[lane], list(values.shape)
        shape[1:] = [own.get(size, size) for size in shape[1:]]
        if self._parts is not None:
            self._fill_part(values, [int(self._parts.size[lane]), *shape[1:]], lane, lambda v: fill(v, generator, lane))
        elif shape == list(values.shape):
            fill(values, generator, lane)
        else:
            drawn = values.new_empty(shape)
            fill(drawn, generator, lane)
            values.zero_()[corner(shape)] = drawn

    def _fill_part(self, values: Tensor, whole: Sequence[int], lane: int, fill: Callable[[Tensor], object]) -> None:
        """whole: the shape for all samples of the lane's batch."""
        assert self._parts is not None
        first, n, kept = int(self._parts.first[lane]), int(self._parts.n[lane]), self._drawn[lane]
        values.zero_()
        if not n:
            return
        if first == 0:
            drawn = values.new_empty(whole)
            fill(drawn)
            del kept[self._n_calls :]
            kept.append(drawn)
        values[corner((n, *whole[1:]))] = kept[self._n_calls][first : first + n]


def _inverted(widths: Mapping[int, int]) -> dict[int, int]:
    """Filled-up size -> the lane's own; none where two of its own are filled up to the same."""
    own = {to: size for size, to in widths.items()}
    return own if len(own) == len(widths) else {}
