"""Who trains next, and how far."""

from cotune.schedulers.asha import ASHA
from cotune.schedulers.hyperband import Hyperband, SuccessiveHalving
from cotune.schedulers.median import MedianStopping
from cotune.schedulers.plain import Plain
from cotune.schedulers.scheduler import Scheduler, share_of_steps
from cotune.schedulers.tried import ASHAIfItCan

__all__ = [
    "ASHA", "ASHAIfItCan", "Hyperband", "MedianStopping", "Plain", "Scheduler", "SuccessiveHalving", "share_of_steps",
]  # fmt: skip
