"""Which samples train, which validate, and which stay sealed for the final test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotune import seeds
from cotune.errors import TaskError
from cotune.seeds import Purpose
from cotune.training.samples import Samples

_TEST, _VALIDATION, _FRACTION = range(3)  # paths of the split streams; frozen with the file format


@final
@dataclass(frozen=True, slots=True)
class Holdout:
    """A share of the samples is held out for validation.

    share: in (0, 1). reshuffle: a new split for every trial, which keeps a long search from tuning to one split;
    without it, all trials of a study share one.
    """

    share: float
    reshuffle: bool = False

    def __post_init__(self) -> None:
        check_share(self.share, "Holdout(share=)")
        if not isinstance(self.reshuffle, bool):
            raise TaskError(f"Holdout(reshuffle=) must be True or False, got {self.reshuffle!r}.")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some rows (m,) int64 of a set of samples."""

    samples: Samples
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """The parts of the data; `test` is sealed, and absent where none was asked for."""

    train: Part
    validation: Part
    test: Part | None


def split(
    data: Samples, validation: Samples | Holdout, test: Samples | float | None, *, split_seed: int, seed: int
) -> Splits:
    """The parts for one run.

    The test part is split off first and depends on `split_seed` alone, so that no trial ever trains on it. seed: the
    run's own, used by Holdout(reshuffle=True) only.
    """
    rest, sealed = np.arange(len(data)), None
    if isinstance(test, float):
        rest, held = _hold_out(data, rest, test, seeds.generator(split_seed, Purpose.SPLIT, _TEST))
        sealed = _part(data, held)
    elif test is not None:
        sealed = _whole(test)
    if not isinstance(validation, Holdout):
        return Splits(_part(data, rest), _whole(validation), sealed)
    path = (_VALIDATION, seed) if validation.reshuffle else (_VALIDATION,)
    rest, held = _hold_out(data, rest, validation.share, seeds.generator(split_seed, Purpose.SPLIT, *path))
    return Splits(_part(data, rest), _part(data, held), sealed)


def prefix(part: Part, share: float, split_seed: int) -> Part:
    """A share of `part`: the start of one permutation per study, so that a larger share contains a smaller one."""
    if share == 1:
        return part
    order = seeds.generator(split_seed, Purpose.SPLIT, _FRACTION).permutation(len(part))
    chosen = np.sort(order[: max(1, round(share * len(part)))])
    return Part(part.samples, part.rows[torch.from_numpy(chosen)])


def check_share(share: object, argument: str) -> float:
    """`share` as a number; TaskError unless it is one in (0, 1)."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise TaskError(f"{argument} needs a share strictly between 0 and 1, got {share!r}. Use e.g. 0.2.")
    return float(share)


def _whole(samples: Samples) -> Part:
    return Part(samples, torch.arange(len(samples)))


def _part(samples: Samples, rows: NDArray[np.int64]) -> Part:
    return Part(samples, torch.from_numpy(rows))


def _hold_out(
    data: Samples, rows: NDArray[np.int64], share: float, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`rows` as (kept, held out), each in ascending order; stratified where integer classes are known."""
    if len(rows) < 2:
        raise TaskError(f"cannot hold out a share of {share} of {len(rows)} sample(s); give at least 2.")
    labels = data.labels
    shuffled = draw.permutation(rows)
    n_held = min(max(1, round(share * len(rows))), len(rows) - 1)
    if labels is not None:
        classes, counts = np.unique(labels.numpy()[rows], return_counts=True)
        if len(classes) <= min(n_held, len(rows) - n_held):
            held = _stratified(labels.numpy()[shuffled], classes, _quotas(counts, n_held))
            return np.sort(shuffled[~held]), np.sort(shuffled[held])
    return np.sort(shuffled[n_held:]), np.sort(shuffled[:n_held])


def _quotas(counts: NDArray[np.int64], n_held: int) -> NDArray[np.int64]:
    """How many of each class to hold out: in proportion, and a class of two or more is on both sides."""
    wanted = counts * (n_held / counts.sum())
    lowest = (counts >= 2).astype(np.int64)
    held = np.clip(np.floor(wanted).astype(np.int64), lowest, counts - 1)
    for index in np.argsort(held - wanted, kind="stable"):  # largest remainder first
        if held.sum() < n_held and held[index] < counts[index] - 1:
            held[index] += 1
    return held


def _stratified(labels: NDArray[np.int64], classes: NDArray[np.int64], quotas: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Marks the first `quotas` samples of each class; labels: of shuffled samples."""
    held = np.zeros(len(labels), dtype=bool)
    for label, quota in zip(classes, quotas, strict=True):
        held[np.flatnonzero(labels == label)[:quota]] = True
    return held
