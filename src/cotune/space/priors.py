"""What a user believes of a parameter before the first trial: a guess, and how far from it the best value may be."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from cotune.errors import SpaceError
from cotune.space.encoding import Floats, Scale
from cotune.space.validation import converted
from cotune.space.values import real

DEFAULT_SPREAD = 0.15
NARROWEST = 0.01
_PLACES = (np.arange(200) + 0.5) / 200
"""Enough to average a normal with the narrowest spread over [0, 1]."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A guess for a parameter's best value, given as `prior=`; a guess alone means the default spread.

    Numbers and ordered choices: a normal around the guess, cut off at the range's ends; spread is its standard
    deviation as a share of the range, of the logarithm's range where the parameter is logarithmic: 0.15 of
    Float(1e-5, 1e-1, log=True) is a factor of 4. Choices without an order: with probability 1 - spread the guess,
    otherwise any choice, the guess included: with spread 0.15, one of 3 choices has the weight 0.9 and each other 0.05.

    spread: 0.01 to 1; with 1 a guess among unordered choices says nothing, and a number's prior is nearly flat.
    """

    guess: Any
    _: KW_ONLY
    spread: float = DEFAULT_SPREAD

    def checked(self, owner: str, scale: Scale) -> Prior:
        """The same with a legal guess and a Python float; SpaceError if it has none."""
        guess = converted(scale.legal, owner, "prior", self.guess)
        spread = converted(real, owner, "the prior's spread", self.spread)
        if not NARROWEST <= spread <= 1.0:
            raise SpaceError(
                f"{owner} needs a prior with {NARROWEST} <= spread <= 1, got spread={self.spread!r}. "
                f"Use spread={1.0 if spread > 1.0 else NARROWEST!r}, or leave prior out."
            )
        return replace(self, guess=guess, spread=spread)

    def log_density(self, units: Floats, scale: Scale) -> Floats:
        """(n,) logarithms of the density at positions (n,) of the parameter with this scale, in proportion to uniform.

        The density has the mean 1 over [0, 1], so an active parameter makes no configuration more or less likely than
        one without it. What is computed for a NaN means nothing.
        """
        guess = scale.encode(self.guess)[0]
        if not scale.is_ordered:
            assert scale.count is not None
            is_guess = np.floor(units * scale.count) == np.floor(guess * scale.count)
            return np.log(np.where(is_guess, scale.count * (1.0 - self.spread), 0.0) + self.spread)
        mean = np.exp(-0.5 * ((scale.snapped(_PLACES) - guess) / self.spread) ** 2).mean()
        return -0.5 * ((units - guess) / self.spread) ** 2 - np.log(mean)

    def __repr__(self) -> str:
        spread = "" if self.spread == DEFAULT_SPREAD else f", spread={self.spread!r}"
        return f"Prior({self.guess!r}{spread})"


def as_prior(value: Any) -> Prior:
    """What a user gave as `prior=`: a Prior, or a guess with the default spread."""
    return value if isinstance(value, Prior) else Prior(value)
