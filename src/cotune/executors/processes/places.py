"""Where workers run: the cores and GPUs that this process may use, shared out among them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's number, the threads that it computes with, and what is peculiar to its environment."""

    index: int
    threads: int
    environment: Mapping[str, str] = field(default_factory=dict)


def n_places(workers: int | None) -> int:
    """How many workers; where nobody said, one per GPU, or else one per core."""
    return workers or len(visible_gpus()) or cores()


def places(n: int, threads: int) -> list[Place]:
    """So many places; GPUs go round, so that several workers may share one."""
    gpus = visible_gpus()
    return [Place(at, threads, pinned(gpus, at)) for at in range(n)]


def share_of_threads(n: int) -> int:
    """As many threads for each of n workers as torch has here, and at most a fair share of the cores."""
    return max(1, min(cores() // n, torch.get_num_threads()))


def cores() -> int:
    """Cores that this process may use: what it is bound to, and what its container was granted."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        n = min(n, math.ceil(int(quota) / int(period)))  # "max" is no number, and no limit
    return max(1, n)


def visible_gpus() -> list[str]:
    """Their names, as CUDA_VISIBLE_DEVICES has them."""
    n, named = torch.cuda.device_count(), os.environ.get(_VISIBLE)
    return [str(at) for at in range(n)] if named is None else [name.strip() for name in named.split(",")][:n]


def pinned(gpus: Sequence[str], index: int) -> dict[str, str]:
    """The environment in which a worker sees the one GPU that is its own."""
    return {_VISIBLE: gpus[index % len(gpus)]} if gpus else {}
