"""Random numbers by key: (seed, purpose, path) names a stream, and nothing else influences it.

A trial's stream does not depend on the worker, the process, other trials or a resume, because every stream is made
from its key through `numpy.random.SeedSequence`. The purposes are part of the file format and never change.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. The numbers are frozen with the file format."""

    CHOOSE = 0  # a strategy or scheduler choosing, per trial number
    TRIAL = 1  # the seed that a trial trains with, per trial number
    INIT = 2  # initial weights, and what a user's function draws before its first epoch
    ORDER = 3  # order of the training samples, per epoch
    NOISE = 4  # dropout, augmentation and the user's own draws, per epoch
    SPLIT = 5  # which samples are held out; shared by all trials of a study
    FOLD = 6  # the seed that a fold trains with, if it is not the first, per fold
    CONFIRM = 7  # the seeds that the best configurations are confirmed with


def _sequence(seed: int, purpose: Purpose, path: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), *path))


def generator(seed: int, purpose: Purpose, *path: int) -> np.random.Generator:
    """A generator of its own for the key (seed, purpose, path); all numbers >= 0."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, path)))


def integer(seed: int, purpose: Purpose, *path: int) -> int:
    """A seed in [0, 2**63) for the key (seed, purpose, path), as torch.manual_seed takes it."""
    return int(_sequence(seed, purpose, path).generate_state(1, np.uint64)[0] >> np.uint64(1))
