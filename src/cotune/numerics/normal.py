"""The normal distribution on NumPy arrays, by torch's special functions (SciPy is no run-time dependency)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cdf(z: Floats) -> Floats:
    """The share of a standard normal that lies below z."""
    return _by(torch.special.ndtr, z)


def log_cdf(z: Floats) -> Floats:
    """The logarithm of that, exact far into the lower tail."""
    return _by(torch.special.log_ndtr, z)


def quantile(share: Floats) -> Floats:
    """The value below which the given share of a standard normal lies; share in (0, 1)."""
    return _by(torch.special.ndtri, share)


def scaled_tail(x: Floats) -> Floats:
    """exp(x**2) erfc(x)."""
    return _by(torch.special.erfcx, x)


def _by(function: Callable[[torch.Tensor], torch.Tensor], values: Floats) -> Floats:
    result: Floats = function(torch.from_numpy(np.ascontiguousarray(values))).numpy()
    return result
