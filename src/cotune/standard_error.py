"""How uncertain a mean is, and under which name a metric's uncertainty is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

SUFFIX = "_se"
"""A metric's name with this behind it names the metric's standard error."""


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of n values, from their spread; NaN for a single one."""
    n = len(values)
    if n < 2:
        return math.nan
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n * (n - 1)))
