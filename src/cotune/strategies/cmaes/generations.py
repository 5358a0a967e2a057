"""Which results form which generation, as the log says it.

The first suggestion of a generation records the numbers of the trials that were told before it. So the state of the
search is a fold over the trials in the order of their numbers, whatever the order in which results come, and a result
that comes late joins a later generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cotune.records import History, JsonValue
from cotune.seeds import Purpose, generator
from cotune.strategies.cmaes.evolution import (
    Evolution,
    Generation,
    Layout,
    after,
    dominated,
    first_run,
    is_spent,
    next_run,
)

NAME = "cmaes"
Members = tuple[int, ...]


@dataclass
class Generations:
    """The fold of one history, which goes on where it stood when the history has grown.

    tried: the encoded configurations of all trials.
    """

    history: History
    layout: Layout
    sigma: float
    population: int
    restarts: bool = True
    tried: set[bytes] = field(default_factory=set)
    _evolution: Evolution = field(init=False)
    _n_read: int = 0
    _own: list[int] = field(default_factory=list)  # proposed by this strategy and not told yet
    _others: list[int] = field(default_factory=list)  # of any other origin, since the last generation was told
    _ahead: list[tuple[Members, Evolution]] = field(default_factory=list)  # computed, and not yet in the log

    def __post_init__(self) -> None:
        self._evolution = first_run(self.layout, self.sigma, self.population)

    def catch_up(self) -> None:
        """Read the trials that are new in the history."""
        x = self.history.x
        for number in range(self._n_read, len(self.history)):
            self.tried.add(x[number].tobytes())
            model = _model(self.history, number)
            for told in (model or {}).get("told", []):
                self._tell(tuple(told))
            (self._others if model is None else self._own).append(number)
        self._n_read = len(self.history)

    def upcoming(self) -> tuple[Evolution, list[Members]]:
        """What the next suggestion is drawn from, and the generations to be told for that, which it must record."""
        evolution, own, others = self._evolution, self._own, self._others
        told: list[Members] = []
        while members := self._members(evolution, own, others):
            place = len(told)
            if place >= len(self._ahead) or self._ahead[place][0] != members:
                self._ahead[place:] = [(members, self._after(evolution, members))]
            evolution, others = self._ahead[place][1], []
            own = [number for number in own if number not in members]
            told.append(members)
        return evolution, told

    def _tell(self, members: Members) -> None:
        if self._ahead and self._ahead[0][0] == members:
            self._evolution = self._ahead.pop(0)[1]
        else:
            self._ahead.clear()
            self._evolution = self._after(self._evolution, members)
        self._own = [number for number in self._own if number not in members]
        self._others = []

    def _members(self, evolution: Evolution, own: list[int], others: list[int]) -> Members:
        """The trials of the next generation, () if too few have an outcome.

        Trials of an earlier run are left out. Of other origins are the best: enough to fill, and half if there are.
        """
        own = [number for number in own if self._is_final(number) and self._run(number) == evolution.run]
        others = [number for number in others if self._is_final(number)]
        wanted = evolution.population
        if len(own) + len(others) < wanted:
            return ()
        losses = dict(zip(others, self._losses(others), strict=True))
        n_others = min(len(others), max(wanted // 2, wanted - len(own)))
        return (*own[: wanted - n_others], *sorted(others, key=lambda number: (losses[number], number))[:n_others])

    def _after(self, evolution: Evolution, members: Members) -> Evolution:
        moved = after(self.layout, evolution, self._generation(evolution, members))
        if self.restarts and is_spent(self.layout, moved):
            random = generator(self.history.seed, Purpose.CHOOSE, moved.run, 1)
            return next_run(self.layout, moved, self.sigma, random)
        return moved

    def _generation(self, evolution: Evolution, members: Members) -> Generation:
        names = [self.layout.space.names[j] for j in self.layout.numeric]
        places = np.full((len(members), len(names)), np.nan)
        is_fresh = np.zeros(len(members), dtype=np.bool_)
        for row, number in enumerate(members):
            model = _model(self.history, number)
            if model is not None:
                places[row] = [model["places"].get(name, np.nan) for name in names]
                is_fresh[row] = (model["run"], model["generation"]) == (evolution.run, evolution.generation)
        return Generation(self.history.x[list(members)], places, is_fresh, self._losses(members))

    def _losses(self, numbers: Sequence[int]) -> np.ndarray:
        return dominated(self.history.y[list(numbers)])

    def _is_final(self, number: int) -> bool:
        return self.history.state(number).is_final

    def _run(self, number: int) -> JsonValue:
        model = _model(self.history, number)
        return None if model is None else model["run"]


def _model(history: History, number: int) -> dict[str, JsonValue] | None:
    """What this strategy logged of its state when it proposed a trial; None if another proposed it."""
    decision = history.decision(number)
    return decision.get("model") if decision.get("strategy") == NAME else None
