"""Which samples train, which validate, and which stay sealed for the final test."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor

from cotune import seeds
from cotune.seeds import Purpose
from cotune.training.divisions import Division, Pool, Rows, hold_out, hold_out_end
from cotune.training.samples import Samples

_KEPT = 16
"""So many splits are remembered, which many runs share."""
_TEST, _VALIDATION, _FRACTION, _OUTER = range(4)  # paths of the split streams; frozen with the file format


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


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Where the parts come from.

    validation: samples of its own; else `division` says how the data are divided. test: samples of its own; else
    `sealed` rows (m,) of the data, while the `kept` ones train and validate, or a `test_share` of them, if anything is.
    groups (n,): which samples of the data belong together.
    """

    data: Samples
    validation: Samples | None = None
    division: Division | None = None
    test: Samples | None = None
    test_share: float | None = None
    sealed: Rows | None = None
    kept: Rows | None = None
    groups: Rows | None = None
    _known: dict[tuple[int, int], Splits] = field(init=False, repr=False, default_factory=dict)

    def to(self, device: torch.device) -> Sources:
        """The same on a device."""
        held = None if self.validation is None else self.validation.to(device)
        sealed = None if self.test is None else self.test.to(device)
        return replace(self, data=self.data.to(device), validation=held, test=sealed)

    def split(self, *, split_seed: int, seed: int, fold: int = 0) -> Splits:
        """The parts for one run.

        The test part is split off first and depends on `split_seed` alone, so that no trial ever trains on it. seed:
        the run's own, used where folds are reshuffled only.
        """
        if self.division is not None and self.division.reshuffle:
            return self._drawn(split_seed, seed, fold)
        known = self._known.get((split_seed, fold))
        if known is None:
            known = self._drawn(split_seed, seed, fold)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[split_seed, fold] = known
        return known

    def _drawn(self, split_seed: int, seed: int, fold: int) -> Splits:
        pool, sealed = self._sealed(split_seed)
        if self.division is None:
            held = self._part(pool.rows) if self.validation is None else _whole(self.validation)
            return Splits(self._part(pool.rows), held, sealed)
        path = (_VALIDATION, seed) if self.division.reshuffle else (_VALIDATION,)
        draw = partial(seeds.generator, split_seed, Purpose.SPLIT, *path)
        train, chosen = self.division.divide(pool, draw, fold)
        return Splits(self._part(train), self._part(chosen), sealed)

    def undivided(self) -> Sources:
        """The same where all that is not sealed trains, and, for want of others, validates."""
        return replace(self, division=None)

    def outer(self, division: Division, split_seed: int) -> list[Sources]:
        """The same once for each fold of another division, whose held-out samples are sealed."""
        draw = partial(seeds.generator, split_seed, Purpose.SPLIT, _OUTER)
        parts = (division.divide(self.pool, draw, fold) for fold in range(division.n_folds))
        return [replace(self, kept=kept, sealed=sealed) for kept, sealed in parts]

    @property
    def has_sealed(self) -> bool:
        """Whether there is a test part."""
        return not (self.test is None and self.test_share is None and self.sealed is None)

    @property
    def pool(self) -> Pool:
        """All samples."""
        labels = self.data.labels
        return Pool(np.arange(len(self.data)), None if labels is None else labels.numpy(), self.groups)

    def _sealed(self, split_seed: int) -> tuple[Pool, Part | None]:
        """What is not sealed, and what is."""
        whole = self.pool
        if self.sealed is not None and self.kept is not None:
            return whole.only(self.kept), self._part(self.sealed)
        if self.test_share is None:
            return whole, None if self.test is None else _whole(self.test)
        if self.division is not None and self.division.is_ordered:
            kept, held = hold_out_end(whole, self.test_share)
        else:
            kept, held = hold_out(whole, self.test_share, seeds.generator(split_seed, Purpose.SPLIT, _TEST))
        return whole.only(kept), self._part(held)

    def _part(self, rows: Rows) -> Part:
        return Part(self.data, torch.from_numpy(rows))


def prefix(part: Part, share: float, split_seed: int) -> Part:
    """A share of `part`: the start of one permutation per study, so that a larger share contains a smaller one."""
    if share == 1:
        return part
    order = seeds.generator(split_seed, Purpose.SPLIT, _FRACTION).permutation(len(part))
    chosen = np.sort(order[: max(1, round(share * len(part)))])
    return Part(part.samples, part.rows[torch.from_numpy(chosen)])


def _whole(samples: Samples) -> Part:
    return Part(samples, torch.arange(len(samples)))
