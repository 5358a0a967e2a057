"""Who trains next, and how far."""

from cotune.schedulers.plain import Plain
from cotune.schedulers.scheduler import Scheduler

__all__ = ["Plain", "Scheduler"]
