"""Whether tensors are the same to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def are_same(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """To the bit, NaN included."""
    return len(some) == len(others) and all(
        one.dtype == other.dtype and one.shape == other.shape and torch.equal(*_alike(one, other))
        for one, other in zip(some, others, strict=True)
    )


def _alike(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both as integers, of eight bytes if they can be."""
    flat = [tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1) for tensor in (one, other)]
    wide = torch.int64.itemsize
    is_wide = all(n * own.itemsize % wide == 0 for own in flat for n in (own.numel(), own.storage_offset()))
    first, second = (own.view(torch.int64 if is_wide else torch.uint8) for own in flat)
    return first, second
