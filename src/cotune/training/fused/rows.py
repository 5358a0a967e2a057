"""A parameter of many lanes, and what its optimisers keep about it, as rows of numbers: one row for each lane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_ALIGNED = 64
"""Numbers: a multiple of what processors compute at once, in torch's unrolled loops."""


def rows(tensor: Tensor) -> Tensor:
    """(n, ...), contiguous, seen as (n, m) real numbers, as torch's optimisers see complex ones."""
    real = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
    return real.view(real.shape[0], -1)


@final
@dataclass(frozen=True, slots=True)
class Numbers:
    """A parameter (K, ...) of a population. state: of some of its lanes, each (n, ...). own: their parameters' own
    tensors, which may be smaller. lanes: which these are.
    """

    parameter: Tensor
    state: Sequence[Tensor]
    own: Sequence[Tensor]
    lanes: slice

    @property
    def values(self) -> Tensor:
        """(n, m), of these lanes."""
        return rows(self.parameter)[self.lanes]

    @property
    def used(self) -> list[int]:
        """How many numbers of each row are updated: up to the last that is not filled up, and a few more.

        More, because torch computes the last few numbers of a row by other code than the rest, in any company alike.
        """
        width, strides = self.parameter[0].numel(), self.parameter.stride()[1:]
        last = (sum((n - 1) * stride for n, stride in zip(own.shape, strides, strict=True)) for own in self.own)
        used = [min(math.ceil((at + 1) / _ALIGNED) * _ALIGNED, width) for at in last]
        return [2 * n for n in used] if self.parameter.is_complex() else used
