"""What decides who trains next and how far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cotune.records import Action, Draw, History, Suggestion


class Scheduler(Protocol):
    """Plans from what is known, as a pure function: no clock, no file, no global generator.

    One that can also decide about a trial that cannot pause has a method `judge(history, number, step)`: it is asked
    when such a trial came to its milestone, and says Resume or Stop.
    """

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """At most `slots` trials to start or resume now, and any number to stop.

        `suggest` remembers within one plan: its i-th suggestion is for the next number + i. It may give fewer than
        asked for; what is not used costs nothing.
        """


def share_of_steps(scheduler: Scheduler, steps: int) -> float:
    """How much of its training a trial gets on average, in (0, 1]; 1 if the scheduler does not say.

    A scheduler that stops trials early says it by a method `share_of_steps(steps)`.
    """
    says = getattr(scheduler, "share_of_steps", None)
    return 1.0 if says is None else float(says(steps))
