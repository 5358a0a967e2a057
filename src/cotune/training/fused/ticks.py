"""One epoch of many lanes, cut into pieces that all lanes work through in step.

Lanes of one batch size take a batch at a time. Where batch sizes differ, every batch is cut into pieces of at most
`PIECE` samples, filled up with samples that do not count, and a lane updates its weights when its batch is complete.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotune.training.samples import Batch, InMemory, Samples

PIECE = 32


@dataclass(frozen=True, slots=True)
class Part:
    """Which samples of its batch a lane has in a piece: n of them, from `first` on, of `size`. n is 0 when it idles."""

    first: int
    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What all lanes do at a time. batch: (K, samples, ...).

    parts: per lane; None where every lane has a whole batch. weights (K, samples), float64: what each sample's loss
    counts; None where it is the mean. steps: per lane, whether its batch is complete.
    """

    batch: Batch
    parts: Sequence[Part] | None
    weights: Tensor | None
    steps: Sequence[bool]


def whole(samples: Samples, rows: Tensor, size: int, dtype: torch.dtype | None) -> Iterator[Tick]:
    """Batches of one size. rows: (K, n), which samples each lane takes in which order. dtype: of floating-point data.

    Every lane's batch is complete in every tick.
    """
    every = [True] * len(rows)
    for chosen in rows.split(size, dim=1):
        yield Tick(taken(samples, chosen, dtype), None, None, every)


def pieces(samples: Samples, rows: Sequence[Tensor], sizes: Sequence[int], dtype: torch.dtype | None) -> Iterator[Tick]:
    """Pieces of batches of different sizes. rows: per lane (n,). sizes: per lane, samples per batch."""
    cut = [list(_parts(len(order), size)) for order, size in zip(rows, sizes, strict=True)]
    for at in range(max(map(len, cut))):
        parts = [lane[at][1] if at < len(lane) else Part(0, 0, 1) for lane in cut]
        chosen = torch.zeros(len(rows), PIECE, dtype=torch.int64)
        weights = torch.zeros(len(rows), PIECE, dtype=torch.float64)
        for lane, part in enumerate(parts):
            if part.n:
                low = cut[lane][at][0]
                chosen[lane] = rows[lane][low]
                chosen[lane, : part.n] = rows[lane][low : low + part.n]
                weights[lane, : part.n] = 1 / part.size
        steps = [part.n > 0 and part.first + part.n == part.size for part in parts]
        batch = taken(samples, chosen, dtype)
        yield Tick(batch, parts, weights.to(batch.target.device), steps)


def n_pieces(n: int, size: int) -> int:
    """How many pieces an epoch of n samples has in batches of a size."""
    return n // size * math.ceil(size / PIECE) + math.ceil(n % size / PIECE)


def taken(samples: Samples, rows: Tensor, dtype: torch.dtype | None) -> Batch:
    """The samples (K, n) of all lanes."""
    assert isinstance(samples, InMemory)
    flat, shape = rows.flatten().to(samples.target.device), rows.shape

    def picked(tensor: Tensor) -> Tensor:
        found = tensor.index_select(0, flat).view(*shape, *tensor.shape[1:])
        return found.to(dtype) if dtype is not None and found.is_floating_point() else found

    named = {name: picked(tensor) for name, tensor in samples.named.items()}
    return Batch(tuple(picked(tensor) for tensor in samples.inputs), named, picked(samples.target))


def _parts(n: int, size: int) -> Iterator[tuple[int, Part]]:
    """Where in its order a lane's next piece begins, and what it is of its batch."""
    for low in range(0, n, size):
        here = min(size, n - low)
        for first in range(0, here, PIECE):
            yield low + first, Part(first, min(PIECE, here - first), here)
