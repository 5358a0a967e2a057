"""How many threads train a task fastest on this machine: for small networks often one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task
from cotune.training.timing import endless, step_s

_WINDOW_S = 0.08
_ROUNDS = 2
_GAIN = 1.1  # more threads must be worth their cores


def fastest_threads(task: Task, config: Mapping[str, Any]) -> int:
    """One thread, or all that torch may use now if they are at least a tenth faster on this configuration.

    Trains a throw-away model for a fraction of a second (a few steps of a large one). The answer is a measurement: keep
    it, because the bits of a result depend on the number of threads. torch's setting is left as it was.
    """
    most = torch.get_num_threads()
    if most == 1 or task.on().type != "cpu":
        return most
    try:
        with Isolated() as isolated:
            run = Run(task, config, isolated=isolated)
            seconds = {threads: _with(threads, run) for _ in range(_ROUNDS) for threads in (1, most)}
    finally:
        torch.set_num_threads(most)
    return most if seconds[1] > _GAIN * seconds[most] else 1


def _with(threads: int, run: Run) -> float:
    """Seconds per training step."""
    torch.set_num_threads(threads)
    return step_s(endless(run), window_s=_WINDOW_S)
