"""How uncertain a mean is, and under which names a metric's uncertainty and its folds are told."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from itertools import count, takewhile

SUFFIX = "_se"
"""A metric's name with this behind it names the metric's standard error."""


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of n values, from their spread; NaN for a single one."""
    n = len(values)
    if n < 2:
        return math.nan
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n * (n - 1)))


def fold_name(metric: str, fold: int) -> str:
    """Under which name a metric of a single fold is told, where that is asked for."""
    return f"{metric}_fold{fold}"


def fold_names(metric: str, told: Container[str]) -> list[str]:
    """Those of all folds that are told."""
    return [*takewhile(lambda name: name in told, (fold_name(metric, fold) for fold in count()))]
