"""Training: one configuration of a task, without any search."""

from cotune.training import checkpoint, data, metrics, optimizers, schedules
from cotune.training.divisions import Division, Holdout, KFold, TimeSeries
from cotune.training.fitting import Fit, fit, unread
from cotune.training.folds import Folds, folds
from cotune.training.loop import Best, Run
from cotune.training.randomness import Isolated
from cotune.training.samples import Batch, InMemory, Samples, Stream
from cotune.training.splits import Part, Splits
from cotune.training.task import Task

__all__ = [
    "Batch",
    "Best",
    "Division",
    "Fit",
    "Folds",
    "Holdout",
    "InMemory",
    "Isolated",
    "KFold",
    "Part",
    "Run",
    "Samples",
    "Splits",
    "Stream",
    "Task",
    "TimeSeries",
    "checkpoint",
    "data",
    "fit",
    "folds",
    "metrics",
    "optimizers",
    "schedules",
    "unread",
]
