"""All problems by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from benchmarks.problems.conditional import conditional
from benchmarks.problems.mixed import mixed
from benchmarks.problems.noisy import noisy
from benchmarks.problems.problem import Problem
from benchmarks.problems.smooth import smooth
from benchmarks.problems.surrogates import surrogates
from benchmarks.problems.tables import tables

REGIMES = ("smooth", "high-dimensional", "mixed", "conditional", "noisy", "table")


@cache
def problems() -> Mapping[str, Problem]:
    """Name to problem, in the order of the regimes; reads benchmarks/data."""
    every = [*smooth(), *mixed(), *conditional(), *noisy(), *tables(), *surrogates()]
    return {problem.name: problem for problem in every}
