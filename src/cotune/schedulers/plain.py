"""No early stopping: every trial is trained to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cotune.records import Action, Draw, History, Suggestion
from cotune.schedulers.unfinished import unfinished


@dataclass(frozen=True)
class Plain:
    """Trials that were begun go on first, by number; free slots get new ones."""

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Resume what waits or is paused, then start what the strategy suggests, all to the last step."""
        # without a last step each trial ends by itself, however often it reports
        return unfinished(history, slots, suggest, history.created_steps)
