"""CMA-ES over mixed and conditional spaces, with restarts, for any number of workers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from cotune.config import Config
from cotune.errors import SpaceError, StudyError
from cotune.numerics import cma
from cotune.numerics.cma import Floats
from cotune.records import Draw, History, JsonValue, Suggestion
from cotune.strategies.cmaes.evolution import Evolution, Layout, samples
from cotune.strategies.cmaes.generations import NAME, Generations
from cotune.strategies.known import known

_TRIES = 64
"""Draws from the distribution, then of uniform samples, to find a legal configuration that no trial has."""
_DIGITS = 9
"""With which the place of a draw in its cell is logged."""


@dataclass(frozen=True)
class CmaEs:
    """A population that moves, stretches and turns towards low losses (Hansen 2016), and begins anew when it is stuck.

    It begins at the priors' guesses, at the first starting point, or in the middle. Results come in any order: a
    generation is complete when as many trials as its population have an outcome.

    sigma: standard deviation at the beginning, as a share of each range. population: trials of a generation; None
    chooses 4 + 3 ln(number of parameters). restarts: whether a run that got stuck is followed by one elsewhere with
    twice the population.
    """

    sigma: float = 0.3
    population: int | None = None
    restarts: bool = True
    _cache: list[Generations] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.sigma) not in (int, float) or not 0.0 < self.sigma <= 1.0:
            raise StudyError(f"CmaEs needs 0 < sigma <= 1, got sigma={self.sigma!r}. Use e.g. 0.3.")
        if not isinstance(self.restarts, bool):
            raise StudyError(f"CmaEs(restarts={self.restarts!r}) takes True or False.")
        if self.population is not None and (type(self.population) is not int or self.population < 4):
            raise StudyError(f"CmaEs needs a whole population of 4 or more, got {self.population!r}. Leave it out.")

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        """The next n draws from the population; fewer when no new configuration is found."""
        generations = self._generations(history)
        evolution, told = generations.upcoming()
        tried, found = set[bytes](), list[Suggestion]()
        for number in range(len(history), len(history) + n):
            drawn = _candidate(generations, evolution, tried, draw(number))
            if drawn is None:
                break
            tried.add(drawn.key)
            model = {**_model(evolution), "places": _places(generations.layout, drawn)}
            if told:
                model["told"], told = [list(members) for members in told], []
            found.append(Suggestion(drawn.config, {**_decision(history, evolution, len(found)), "model": model}))
        return found

    def _generations(self, history: History) -> Generations:
        generations = self._cache[0] if self._cache else None
        if generations is None or generations.history is not history:
            layout = Layout.of(history.space)
            population = self.population or cma.default_population(layout.dimension)
            generations = Generations(history, layout, self.sigma, population, restarts=self.restarts)
            self._cache[:] = [generations]
        generations.catch_up()
        return generations


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A configuration, its encoded form, and its place (d,) in the unit cube before it was moved to a value."""

    config: Config
    key: bytes
    units: Floats


def _candidate(
    generations: Generations, evolution: Evolution, tried: set[bytes], generator: Generator
) -> _Drawn | None:
    """A legal configuration that no trial has, as far as one is found."""
    space = generations.history.space
    if space.size is not None and len(generations.tried) + len(tried) >= space.size:
        return None
    for units in samples(generations.layout, evolution, generator, _TRIES):
        config = space.decode(units)
        key = space.encode(config)[0].tobytes()
        if key not in generations.tried and key not in tried and space.allows(config):
            return _Drawn(config, key, units)
    for _ in range(_TRIES):
        try:
            config = space.sample(generator)
        except SpaceError:
            if not generations.tried:
                raise
            return None
        units = space.encode(config)[0]
        if units.tobytes() not in generations.tried and units.tobytes() not in tried:
            return _Drawn(config, units.tobytes(), units)
    return None


def _places(layout: Layout, drawn: _Drawn) -> dict[str, JsonValue]:
    """What the configuration does not say: where in its cell an entry was drawn, and what for an inactive one."""
    names, active = layout.space.names, set(drawn.config)
    return {
        names[j]: round(float(drawn.units[j]), _DIGITS)
        for j, is_countable in zip(layout.numeric, layout.is_countable, strict=True)
        if (is_countable or names[j] not in active) and not np.isnan(drawn.units[j])
    }


def _decision(history: History, evolution: Evolution, n_before: int) -> dict[str, JsonValue]:
    losses = history.y[:, 0]
    decision: dict[str, JsonValue] = {
        "strategy": NAME,
        "why": f"drawn from generation {evolution.generation + 1} of run {evolution.run + 1}",
        **known(history, n_before),
    }
    if history.y.shape[1] == 1 and not np.isnan(losses).all():
        decision["best"] = int(np.nanargmin(losses))
    return decision


def _model(evolution: Evolution) -> dict[str, JsonValue]:
    return {
        "run": evolution.run,
        "generation": evolution.generation,
        "population": evolution.population,
        "sigma": float(evolution.normal.sigma),
    }
