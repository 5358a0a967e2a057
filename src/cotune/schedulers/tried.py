"""Early stopping for functions of which nobody knows yet what they report: one trial is trained to find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cotune.records import Action, Draw, History, Resume, State, Stop, Suggestion
from cotune.schedulers.asha import ASHA
from cotune.schedulers.rungs import rungs
from cotune.schedulers.unfinished import unfinished


@dataclass(frozen=True)
class ASHAIfItCan:
    """Trials train to their ends until one has shown what the function does; `ASHA` from then on, if it can be.

    It takes that the function reports every objective at every rung, to be compared. Whether the first trial with a
    result did so decides for the whole study. Those that keep a state by `trial.track` then pause at rungs, others are
    stopped there or go on at once.
    """

    asha: ASHA = field(default_factory=ASHA)

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """As ASHA, or every trial to its end."""
        if reports_at_rungs(history, self.asha):
            return self.asha.plan(history, slots, suggest, draw)
        return unfinished(history, slots, suggest, history.created_steps)

    def judge(self, history: History, number: int, step: int) -> Resume | Stop:
        """As ASHA."""
        return self.asha.judge(history, number, step)

    def outline(self, steps: int) -> str:
        """The rungs in words, with what they depend on."""
        return f"{self.asha.outline(steps)}, if the function reports at each"


def reports_at_rungs(history: History, asha: ASHA) -> bool:
    """Whether the first trial with a result was reported at every rung; False before there is one."""
    first = _first_done(history)
    if first is None or history.steps is None:
        return False
    places = rungs(history.steps, asha.first, asha.factor)[:-1]
    return all(history.reported(first, step).keys() >= history.objectives.keys() for step in places)


def has_shown_that_it_reports_too_little(history: History) -> bool:
    """Whether the first trial with a result did not report at every rung."""
    return _first_done(history) is not None and not reports_at_rungs(history, ASHA())


def _first_done(history: History) -> int | None:
    return next((number for number in history.outcomes if history.state(number) is State.DONE), None)
