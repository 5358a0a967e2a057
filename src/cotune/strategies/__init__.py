"""What to try next."""

from cotune.strategies.grid import Grid
from cotune.strategies.random import Random
from cotune.strategies.starts import StartsFirst
from cotune.strategies.strategy import Strategy, reads_results

__all__ = ["Grid", "Random", "StartsFirst", "Strategy", "reads_results"]  # Sobol loads torch, and is not here
