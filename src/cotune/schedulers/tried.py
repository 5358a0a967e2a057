"""Early stopping for functions of which nobody knows yet whether they can pause: one trial is trained to find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cotune.records import Action, Draw, History, State, Suggestion
from cotune.schedulers.asha import ASHA
from cotune.schedulers.rungs import rungs
from cotune.schedulers.unfinished import unfinished


@dataclass(frozen=True)
class ASHAIfItCan:
    """Trials train to their ends until one has shown what the function does; `ASHA` from then on, if it can be.

    It takes that the function reports every objective at every rung, to be compared, and keeps a state by
    `trial.track`, to go on from there. Whether the first trial with a result did so decides for the whole study.
    """

    asha: ASHA = field(default_factory=ASHA)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """As ASHA, or every trial to its end."""
        if can_pause(history, self.asha):
            return self.asha.plan(history, slots, suggest, draw)
        return unfinished(history, slots, suggest, history.created_steps)

    def outline(self, steps: int) -> str:
        """The rungs in words, with what they depend on."""
        return f"{self.asha.outline(steps)}, if the function reports at each and tracks its state"


def can_pause(history: History, asha: ASHA) -> bool:
    """Whether the first trial with a result was reported at every rung and left a state; False before there is one."""
    first = _first_done(history)
    if first is None or history.steps is None or history.checkpoint(first) is None:
        return False
    places = rungs(history.steps, asha.first, asha.factor)[:-1]
    return all(history.reported(first, step).keys() >= history.objectives.keys() for step in places)


def has_shown_that_it_cannot_pause(history: History) -> bool:
    """Whether the first trial with a result has left no state, or reported too little."""
    return _first_done(history) is not None and not can_pause(history, ASHA())


def _first_done(history: History) -> int | None:
    return next((number for number in history.outcomes if history.state(number) is State.DONE), None)
