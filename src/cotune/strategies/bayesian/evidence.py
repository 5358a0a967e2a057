"""What a suggestion rests on: configurations with their losses, and those whose results are on their way.

The losses of a trial that was trained in parts all count, as if its configuration had been tried again and again: what
many epochs brought one of them then tells the model what to expect of it, and not that its neighbours are better than
all that had few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cotune.records import Suggestion
from cotune.strategies.bayesian.features import Features
from cotune.strategies.bayesian.results import Results

Floats = NDArray[np.float64]

_HUGE = 1e150
"""Losses beyond this are taken for it: their squares must not overflow."""
_MILD = 0.05
_LEAST_EXCESS = 0.5
"""A standard error is only an estimate: up to so large a part of the usual variance more is within its own error."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """units (n, d), columns (n, c): positions and features of n results, by the `numbers` (n,) of their trials.

    losses (n,): the lower the better; a failed trial has the worst loss of all. is_failed (n,). is_partial: whether
    some are of trials that had steps left. pending (p, d), pending_columns (p, c): the same of trials without result.
    sign: what turns a loss into the metric; None where losses mix several objectives. each (n, m), signs: the same of
    every objective alone, whose names signs has. excess (n, m): how much more variance than usual their losses have, by
    the standard errors that came with the results; None if none did. own_excess (n,): that of `losses`.
    """

    units: Floats
    columns: Floats
    losses: Floats
    numbers: NDArray[np.int64]
    is_failed: NDArray[np.bool_]
    is_partial: bool
    pending: Floats
    pending_columns: Floats
    sign: float | None
    each: Floats
    signs: Mapping[str, float]
    excess: Floats | None = None
    own_excess: Floats | None = None

    def of(self, name: str) -> Evidence:
        """The same for one of several objectives."""
        at = list(self.signs).index(name)
        own = None if self.excess is None else self.excess[:, at]
        return replace(self, losses=self.each[:, at], sign=self.signs[name], own_excess=own)

    @property
    def everywhere(self) -> Floats:
        """(n + p, d) positions of all trials."""
        return np.concatenate([self.units, self.pending])

    @property
    def tried(self) -> Floats:
        """(n + p, c) features of all trials."""
        return np.concatenate([self.columns, self.pending_columns])

    @property
    def n_results(self) -> int:
        """Number of trials with a loss of their own."""
        own = self.numbers[~self.is_failed]
        return len(own) - int(np.sum(own[1:] == own[:-1]))


def gathered(
    results: Results, columns: Floats, planned: Sequence[Suggestion], features: Features, generator: Generator
) -> Evidence:
    """The evidence in the results of a history and in suggestions of the same plan, which count as pending.

    columns (n, c): the features of all trials of the history.

    Of several objectives `losses` are one augmented Chebyshev scalarisation with weights from `generator`, another for
    every trial (Knowles 2006, "ParEGO", eq. 2).
    """
    history = results.history
    pending = np.flatnonzero(~history.ended)
    numbers, losses, errors = results.columns()
    losses = np.clip(losses, -_HUGE, _HUGE)
    loss = losses[:, 0] if losses.shape[1] == 1 else _scalarised(losses, generator)
    is_failed = np.asarray(np.isnan(losses).any(axis=1))
    if not np.all(is_failed):
        loss = np.where(is_failed, np.max(loss[~is_failed]), loss)
        losses = np.where(is_failed[:, None], losses[~is_failed].max(axis=0), losses)
    excess = None if np.isnan(errors).all() else _excess(errors)
    fresh = np.array([history.space.encode(suggestion.config)[0] for suggestion in planned])
    fresh = fresh.reshape(-1, history.space.dimension)
    signs = {name: -1.0 if maximised else 1.0 for name, maximised in history.objectives.items()}
    sign = None if len(signs) > 1 else next(iter(signs.values()))
    return Evidence(
        history.x[numbers], columns[numbers], loss, numbers, is_failed, results.are_partial,
        np.concatenate([history.x[pending], fresh]), np.concatenate([columns[pending], features.of(fresh)]), sign,
        losses, signs, excess, None if excess is None or len(signs) > 1 else excess[:, 0],
    )  # fmt: skip


def once(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places where each trial's number comes first, in their order."""
    return np.sort(np.unique(numbers, return_index=True)[1])


def _excess(errors: Floats) -> Floats:
    """(n, m) how much more variance than the median each loss has, by the standard errors; 0 where it has less.

    How large the usual noise is is left to the model: what all trials share, such as their folds, is in every standard
    error, but not in the differences between trials.
    """
    variances = np.square(np.clip(np.nan_to_num(errors, nan=0.0, posinf=_HUGE), 0.0, _HUGE))
    found = np.zeros_like(variances)
    for at, column in enumerate(variances.T):
        if np.any(column > 0):
            usual = np.median(column[column > 0])
            found[:, at] = np.where(column > (1 + _LEAST_EXCESS) * usual, column - usual, 0.0)
    return found


def _scalarised(losses: Floats, generator: Generator) -> Floats:
    weights = generator.dirichlet(np.ones(losses.shape[1]))
    done = losses[~np.isnan(losses).any(axis=1)]
    if not len(done):
        return losses[:, 0]
    low, width = done.min(axis=0), np.ptp(done, axis=0)
    weighted = weights * (losses - low) / np.where(width > 0, width, 1.0)
    return np.max(weighted, axis=1) + _MILD * np.sum(weighted, axis=1)
