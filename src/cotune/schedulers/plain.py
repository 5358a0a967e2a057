"""No early stopping: every trial is trained to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cotune.records import Action, Draw, History, Resume, Start, Suggestion


@dataclass(frozen=True)
class Plain:
    """Trials that were begun go on first, by number; free slots get new ones."""

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Resume what waits or is paused, then start what the strategy suggests, all to the last step."""
        until = history.created_steps  # None: each trial ends by itself, however often it reports
        begun = sorted(history.waiting | history.paused)[:slots]
        actions: list[Action] = [Resume(number, until) for number in begun]
        if len(actions) < slots:
            actions += [Start(suggestion, until) for suggestion in suggest(slots - len(actions))]
        return actions
