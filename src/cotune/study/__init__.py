"""The search as a whole."""

from cotune.study.asked import AskedTrial
from cotune.study.best import Best
from cotune.study.study import Study
from cotune.study.trials import Trials

__all__ = ["AskedTrial", "Best", "Study", "Trials"]
