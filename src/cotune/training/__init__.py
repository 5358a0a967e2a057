"""Training: one configuration of a task, without any search."""

from cotune.training import checkpoint, data, metrics, optimizers, schedules
from cotune.training.fitting import Fit, fit, unread
from cotune.training.loop import Best, Run
from cotune.training.randomness import Isolated
from cotune.training.samples import Batch, InMemory, Samples, Stream
from cotune.training.splits import Holdout, Part, Splits
from cotune.training.task import Task

__all__ = [
    "Batch",
    "Best",
    "Fit",
    "Holdout",
    "InMemory",
    "Isolated",
    "Part",
    "Run",
    "Samples",
    "Splits",
    "Stream",
    "Task",
    "checkpoint",
    "data",
    "fit",
    "metrics",
    "optimizers",
    "schedules",
    "unread",
]
