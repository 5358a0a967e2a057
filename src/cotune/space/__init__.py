"""What is searched: named parameters, the conditions and rules between them, and their place in the unit cube."""

from cotune.space.conditions import at_least, at_most, one_of
from cotune.space.parameters import Categorical, Float, Int, Parameter
from cotune.space.positions import Positions
from cotune.space.priors import Prior
from cotune.space.space import Space

__all__ = ["Categorical", "Float", "Int", "Parameter", "Positions", "Prior", "Space", "at_least", "at_most", "one_of"]
