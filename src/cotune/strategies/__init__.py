"""What to try next."""

from cotune.strategies.grid import Grid
from cotune.strategies.random import Random
from cotune.strategies.starts import StartsFirst
from cotune.strategies.strategy import Strategy

__all__ = ["Grid", "Random", "StartsFirst", "Strategy"]  # Sobol loads torch: import it from its own file
