"""Problems of which a strategy sees noisy results. What counts is the noiseless loss of the trial it would recommend.

An instance's noise is the same for all strategies: it belongs to the trial's number.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.problems.conditional import families, optimisers
from benchmarks.problems.mixed import kernel, network
from benchmarks.problems.problem import Disturbance, Problem, Values
from benchmarks.problems.smooth import branin_problem, ellipsoid, hartmann_problem, levy, shifted, sphere
from benchmarks.problems.tables import Grid, grid


def gaussian(share: float) -> Disturbance:
    """Normal noise; share: standard deviation over the range from the best loss to the median of random configs."""

    def disturbed(config: Values, loss: float, scale: float, random: np.random.Generator) -> float:
        return loss + share * scale * random.standard_normal()

    return disturbed


def repetition(table: Grid) -> Disturbance:
    """One of the recorded repetitions of the same training."""

    def disturbed(config: Values, loss: float, scale: float, random: np.random.Generator) -> float:
        repetitions = table.repetitions(config)
        return float(repetitions[random.integers(len(repetitions))])

    return disturbed


def noisy() -> list[Problem]:
    """Numbers, mixed and conditional; the last one with the real noise of five seeds."""
    slightly, clearly = gaussian(0.05), gaussian(0.1)
    real = grid("hpobench_nn", "kc1")
    return [
        replace(shifted("noisy_sphere5", "noisy", sphere, 5, 5.0), disturbance=clearly),
        replace(hartmann_problem("noisy_hartmann6", "noisy"), disturbance=slightly),
        replace(network("noisy_network10", "noisy"), disturbance=clearly),
        replace(optimisers("noisy_optimisers", "noisy"), disturbance=slightly),
        replace(branin_problem("noisy_branin", "noisy"), disturbance=clearly),
        replace(shifted("noisy_ellipsoid8", "noisy", ellipsoid, 8, 5.0, turned=True), disturbance=slightly),
        replace(shifted("noisy_levy10", "noisy", levy, 10, 10.0), disturbance=clearly),
        replace(kernel("noisy_kernel6", "noisy"), disturbance=clearly),
        replace(families("noisy_families", "noisy"), disturbance=slightly),
        replace(real.problem("noisy_kc1", "noisy"), disturbance=repetition(real)),
    ]
