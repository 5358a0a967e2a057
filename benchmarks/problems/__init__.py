"""What strategies are tried on: functions, mixed and conditional spaces, noise, and tables of real trainings."""

from benchmarks.problems.catalogue import REGIMES, problems
from benchmarks.problems.halves import CONFIRMATION, TUNING
from benchmarks.problems.problem import Problem

__all__ = ["CONFIRMATION", "REGIMES", "TUNING", "Problem", "problems"]
