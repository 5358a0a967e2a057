"""One epoch of many lanes, cut into pieces that all lanes work through in step.

Lanes of one batch size take a batch at a time. Where batch sizes differ, every batch is cut into pieces of one size,
filled up with samples that do not count, and a lane updates its weights when its batch is complete. Small batches and
large ones have pieces of their own: many small pieces would cost a large batch more than they save.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotune.training.samples import Batch, InMemory, Samples

_PIECES = {64: 32, math.inf: 128}
"""Samples per batch, at most -> samples per piece."""
_PHASES, _OVERHEAD, _WORTH = 3, 20, 0.95
"""At most so many phases; what a tick costs besides its lanes, in lanes; which share of the cost one must leave."""
_AT_ONCE = 64
"""So many ticks are worked out at a time, and on a device sent there together."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Parts:
    """Which samples of its batch each lane has in a piece: n of them, from `first` on, of `size`; all (K,).

    n is 0 where a lane idles. amid: the lanes whose batch goes on in the next piece; None if there are none.
    """

    first: Counts
    n: Counts
    size: Counts
    amid: Tensor | None


@dataclass(frozen=True, slots=True)
class Tick:
    """What all lanes do at a time. batch: (K, samples, ...).

    parts: None where every lane has a whole batch. weights (K, samples), float64: what each sample's loss counts; None
    where it is the mean. steps: per lane, whether its batch is complete.
    """

    batch: Batch
    parts: Parts | None
    weights: Tensor | None
    steps: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Phase:
    """Part of an epoch: up to tick `until`, the first `n` lanes train; those behind them are through."""

    until: int
    n: int


def phases(lengths: Sequence[int]) -> list[Phase]:
    """How an epoch is shared out among lanes of so many ticks each, if those with the most come first.

    A lane that is through idles at the cost of a lane; a phase of its own for the rest costs a little all the time.
    """
    longest, found, begun, n = sorted(lengths, reverse=True), list[Phase](), 0, len(lengths)
    while n > 1 and len(found) + 1 < _PHASES:
        costs = {
            k: (longest[k] - begun) * (_OVERHEAD + n) + (longest[0] - longest[k]) * (_OVERHEAD + k) for k in range(1, n)
        }
        k = min(costs, key=lambda k: costs[k])
        if costs[k] > _WORTH * (longest[0] - begun) * (_OVERHEAD + n):
            break
        found.append(Phase(longest[k], n))
        begun, n = longest[k], k
    return [*found, Phase(longest[0], n)]


def whole(samples: Samples, rows: Tensor, size: int, dtype: torch.dtype | None) -> Iterator[Tick]:
    """Batches of one size. rows: (K, n), which samples each lane takes in which order. dtype: of floating-point data.

    Every lane's batch is complete in every tick.
    """
    every = [True] * len(rows)
    for chosen in rows.to(_device(samples)).split(size, dim=1):
        yield Tick(taken(samples, chosen, dtype), None, None, every)


def pieces(
    samples: Samples, rows: Sequence[Tensor], sizes: Sequence[int], shared: Sequence[Phase], dtype: torch.dtype | None
) -> Iterator[Tick]:
    """Pieces of batches of different sizes. rows: per lane (n,). sizes: per lane, samples per batch; of one `piece_of`.

    One lane more than train is in every tick: the last numbers of an array are computed by other code than the rest.
    """
    orders = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).cpu().numpy()
    cut = [_cut(len(order), size) for order, size in zip(rows, sizes, strict=True)]
    every = np.zeros((4, len(rows), max(map(len, cut))), np.int64)
    every[3] = 1
    for lane, own in enumerate(cut):
        every[:, lane, : len(own)] = own.T
    begun = 0
    for phase in shared:
        for left in range(begun, phase.until, _AT_ONCE):
            parts = every[:, : phase.n + 1, left : min(left + _AT_ONCE, phase.until)]
            yield from _ticks(samples, orders, parts.swapaxes(1, 2), piece_of(sizes[0]), dtype)
        begun = phase.until


def _ticks(
    samples: Samples, orders: Counts, parts: Counts, piece: int, dtype: torch.dtype | None
) -> Iterator[Tick]:  # fmt: skip
    """Some ticks. orders: (K, n). parts: (4, ticks, lanes), as `_cut` has them. piece: samples per piece."""
    lows, firsts, counts, wholes = map(np.ascontiguousarray, parts)
    device, places = _device(samples), np.arange(piece)
    is_sample = places < counts[..., None]
    chosen = orders[np.arange(counts.shape[1])[:, None], lows[..., None] + places * is_sample]
    rows, weights = torch.from_numpy(chosen).to(device), torch.from_numpy(is_sample / wholes[..., None]).to(device)
    is_last = firsts + counts == wholes
    steps, are_amid = ((counts > 0) & is_last).tolist(), (counts > 0) & ~is_last
    for at, (first, n, size, is_amid) in enumerate(zip(firsts, counts, wholes, are_amid, strict=True)):
        amid = torch.from_numpy(np.flatnonzero(is_amid)).to(device) if is_amid.any() else None
        yield Tick(taken(samples, rows[at], dtype), Parts(first, n, size, amid), weights[at], steps[at])


def piece_of(size: int) -> int:
    """How many samples at most a piece of a batch of that size has."""
    return next(piece for most, piece in _PIECES.items() if size <= most)


def n_pieces(n: int, size: int) -> int:
    """How many pieces an epoch of n samples has in batches of a size."""
    piece = piece_of(size)
    return n // size * math.ceil(size / piece) + math.ceil(n % size / piece)


def taken(samples: Samples, rows: Tensor, dtype: torch.dtype | None) -> Batch:
    """The samples (K, n) of all lanes."""
    assert isinstance(samples, InMemory)
    flat, shape = rows.flatten().to(_device(samples)), rows.shape

    def picked(tensor: Tensor) -> Tensor:
        found = tensor.index_select(0, flat).view(*shape, *tensor.shape[1:])
        return found.to(dtype) if dtype is not None and found.is_floating_point() else found

    named = {name: picked(tensor) for name, tensor in samples.named.items()}
    return Batch(tuple(picked(tensor) for tensor in samples.inputs), named, picked(samples.target))


def _device(samples: Samples) -> torch.device:
    assert isinstance(samples, InMemory)
    return samples.target.device


def _cut(n: int, size: int) -> Counts:
    """(pieces, 4): where in its order a lane's piece begins, and as in `Parts` first, n, size."""
    lows, piece = np.arange(0, n, size), piece_of(size)
    wholes = np.minimum(size, n - lows)
    counts = -(-wholes // piece)
    batch = np.repeat(np.arange(len(lows)), counts)
    first = (np.arange(len(batch)) - np.repeat(np.cumsum(counts) - counts, counts)) * piece
    return np.stack([lows[batch] + first, first, np.minimum(piece, wholes[batch] - first), wholes[batch]], 1)
