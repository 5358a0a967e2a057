"""The normal distribution on NumPy arrays, by torch's special functions (SciPy is no run-time dependency)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quantile(share: Floats) -> Floats:
    """The value below which the given share of a standard normal lies; share in (0, 1)."""
    values: Floats = torch.special.ndtri(torch.from_numpy(np.ascontiguousarray(share))).numpy()
    return values
