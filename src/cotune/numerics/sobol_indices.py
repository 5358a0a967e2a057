"""Shares of variance: how much of a function's variance each column explains alone, in pairs and with all others.

Estimated by exchanging columns between two samples A and B ("pick and freeze"), with both orders averaged.
Sources: Sobol' 1993; Jansen 1999; Saltelli et al. 2010, "Variance based sensitivity analysis of model output", table 2;
Saltelli 2002, "Making best use of model evaluations to compute sensitivity indices", theorem 2 (pairs).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.quasirandom import SobolEngine

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shares:
    """Of s functions of d columns. variance (s,). first, total (d, s); pairs (d, d, s), symmetric, 0 on its diagonal.

    first: of a column alone. total: of a column with all its interactions. pairs: of two columns beyond what they do
    alone. Estimates, so that a small share may come out below 0; all are 0 where the variance is.
    """

    variance: Floats
    first: Floats
    total: Floats
    pairs: Floats


def samples(d: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Two independent samples A and B of [0, 1]^d, (n, d) each: halves of one scrambled Sobol' sequence."""
    both = SobolEngine(2 * d, scramble=True, seed=seed).draw(n, dtype=torch.float64).numpy()
    return both[:, :d], both[:, d:]


def shares(a: Floats, b: Floats, ab: Floats, ba: Floats) -> Shares:
    """The shares of s functions from their values.

    a, b (n, s): at the rows of A and B. ab (d, n, s): at A with column j from B. ba (d, n, s): at B with column j from
    A.
    """
    n, d = len(a), len(ab)
    middle = 0.5 * (a.mean(axis=0) + b.mean(axis=0))
    a, b, ab, ba = a - middle, b - middle, ab - middle, ba - middle
    variance = 0.5 * ((a * a).mean(axis=0) + (b * b).mean(axis=0))
    first = 0.5 * ((b * (ab - a)).mean(axis=1) + (a * (ba - b)).mean(axis=1))
    total = 0.25 * (((a - ab) ** 2).mean(axis=1) + ((b - ba) ** 2).mean(axis=1))
    closed = np.stack([np.einsum("ns,jns->js", ba[i], ab) for i in range(d)]) / n - (a * b).mean(axis=0)
    pairs = 0.5 * (closed + closed.transpose(1, 0, 2)) - first[:, None] - first[None, :]
    pairs[np.arange(d), np.arange(d)] = 0.0
    scale = np.where(variance > 0, variance, np.inf)
    return Shares(variance, first / scale, total / scale, pairs / scale)
