"""Probabilities of choices without an order, learned from ranked samples: population-based incremental learning.

Source: Baluja 1994; the least probability is that of Hamano, Uchida, Shirakawa, Morales-Castillo & Uchida, "CatCMA",
GECCO 2024, arXiv:2405.09962, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cotune.numerics.cma import Floats

Integers = NDArray[np.int64]
Probabilities = tuple[Floats, ...]
"""For each column the probabilities (number of choices,) of its choices."""

RATE = 0.2
"""Share of a distribution that one generation renews."""
_BEST = 0.73
"""Probability that a sample may have the likeliest choice in every column at once."""


def begin(counts: Sequence[int]) -> Probabilities:
    """Every choice alike; counts: numbers of choices, >= 2."""
    return tuple(np.full(count, 1.0 / count) for count in counts)


def ask(state: Probabilities, generator: Generator, count: int) -> Integers:
    """(count, number of columns) independent samples, as indices of choices."""
    uniform = generator.random((count, len(state)))
    columns = [
        np.minimum(np.searchsorted(np.cumsum(chances), uniform[:, j], side="right"), len(chances) - 1)
        for j, chances in enumerate(state)
    ]
    return np.stack(columns, axis=1) if columns else np.empty((count, 0), dtype=np.int64)


def tell(state: Probabilities, samples: Integers, weights: Floats) -> Probabilities:
    """The probabilities after a generation.

    samples (k, number of columns): indices of choices, negative where a column had no part. weights (k,): >= 0, sum 1.
    """
    least = 1 - _BEST ** (1 / max(len(state), 1))
    return tuple(_learned(chances, samples[:, j], weights, least) for j, chances in enumerate(state))


def _learned(chances: Floats, chosen: Integers, weights: Floats, least: float) -> Floats:
    known = chosen >= 0
    renewed = RATE * np.bincount(chosen[known], weights[known], minlength=len(chances))
    return floored(chances * (1 - renewed.sum()) + renewed, least / (len(chances) - 1))


def floored(chances: Floats, least: float) -> Floats:
    """The probabilities with each at least `least`; what that takes is taken from those above it, in proportion."""
    raised = np.maximum(chances, least)
    spare = raised - least
    total = spare.sum()
    return raised + (1 - raised.sum()) / total * spare if total else raised
