"""Random numbers per lane: each lane has a generator of its own, so what it draws does not depend on its neighbours.

A lane draws in the order, shape and distribution in which its model draws alone after torch's default generator was
seeded alike; so dropout masks are the same bits whether a trial trains in a lane or by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

Fill = Callable[[Tensor, torch.Generator, int], object]
"""Fills one lane's tensor in place from its generator; the number says which lane it is."""


@final
class Draws:
    """The generators of some lanes."""

    def __init__(self, n_lanes: int, device: torch.device) -> None:
        self._generators = [torch.Generator(device) for _ in range(n_lanes)]
        self._device = device

    def __len__(self) -> int:
        return len(self._generators)

    def seed(self, seeds: Sequence[int]) -> None:
        """Start every lane's stream anew."""
        for generator, seed in zip(self._generators, seeds, strict=True):
            generator.manual_seed(seed)

    def filled(self, shape: Sequence[int], dtype: torch.dtype, fill: Fill) -> Tensor:
        """(K, *shape): each lane filled by itself."""
        drawn = torch.empty((len(self._generators), *shape), dtype=dtype, device=self._device)
        for lane, (values, generator) in enumerate(zip(drawn.unbind(0), self._generators, strict=True)):
            fill(values, generator, lane)
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
