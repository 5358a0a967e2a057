"""Who trains next, and how far."""

from cotune.schedulers.asha import ASHA
from cotune.schedulers.hyperband import Hyperband, SuccessiveHalving
from cotune.schedulers.median import MedianStopping
from cotune.schedulers.plain import Plain
from cotune.schedulers.scheduler import Scheduler

__all__ = ["ASHA", "Hyperband", "MedianStopping", "Plain", "Scheduler", "SuccessiveHalving"]
