"""Training the winner of a search anew, to keep its model. This file loads torch."""

from __future__ import annotations

from typing import Literal

from cotune.seeds import Purpose, integer
from cotune.study.arguments import checked_seed
from cotune.study.best import Best
from cotune.training import Fit, Task, fit


def refit(best: Best, task: Task, *, data: Literal["all", "train"], seed: int | None, split_seed: int) -> Fit:
    """Train it, and the schedule that it had, on all data that is not sealed, or on what its trial trained on.

    seed: None for 0, or on the trial's data for the trial's own. split_seed: the study's.
    """
    what = best.schedule if best.schedule.changing else best.config
    if data == "all":
        return fit(task.undivided(), what, seed=checked_seed(seed or 0), split_seed=split_seed)
    own = integer(split_seed, Purpose.TRIAL, best.number)
    return fit(task, what, seed=own if seed is None else checked_seed(seed), split_seed=split_seed)
