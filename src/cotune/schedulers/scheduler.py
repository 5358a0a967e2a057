"""What decides who trains next and how far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cotune.records import Action, Draw, History, Suggestion


class Scheduler(Protocol):
    """Plans from what is known, as a pure function: no clock, no file, no global generator."""

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """At most `slots` trials to start or resume now, and any number to stop.

        `suggest` remembers within one plan: its i-th suggestion is for the next number + i. It may give fewer than
        asked for; what is not used costs nothing.
        """
