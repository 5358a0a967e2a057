"""Who trains next, and how far."""

from cotune.schedulers.asha import ASHA
from cotune.schedulers.hyperband import Hyperband, SuccessiveHalving
from cotune.schedulers.median import MedianStopping
from cotune.schedulers.plain import Plain
from cotune.schedulers.population import PBT
from cotune.schedulers.race import Race
from cotune.schedulers.scheduler import Scheduler, share_of_steps
from cotune.schedulers.tried import ASHAIfItCan, has_shown_that_it_reports_too_little

__all__ = [
    "ASHA", "PBT", "ASHAIfItCan", "Hyperband", "MedianStopping", "Plain", "Race", "Scheduler", "SuccessiveHalving",
    "has_shown_that_it_reports_too_little", "share_of_steps",
]  # fmt: skip
