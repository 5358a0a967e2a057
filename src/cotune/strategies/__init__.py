"""What to try next."""

from cotune.strategies.grid import Grid
from cotune.strategies.random import Random
from cotune.strategies.starts import StartsFirst
from cotune.strategies.strategy import Strategy, reads_milestones, reads_results

# Sobol loads torch, and is not here
__all__ = ["Grid", "Random", "StartsFirst", "Strategy", "reads_milestones", "reads_results"]
