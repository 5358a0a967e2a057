"""What every scheduler does without a comparison: begun trials go on, and new ones fill what is free."""

from __future__ import annotations

from collections.abc import Callable, Container

from cotune.records import Action, History, Resume, Start, Suggestion


def unfinished(
    history: History, slots: int, suggest: Callable[[int], list[Suggestion]], until: int | None
) -> list[Action]:
    """Resume what waits or is paused, by number, then start what the strategy suggests, all of them until a step."""
    begun = sorted(history.waiting | history.paused)[:slots]
    actions: list[Action] = [Resume(number, until) for number in begun]
    if len(actions) < slots:
        actions += [Start(suggestion, until) for suggestion in suggest(slots - len(actions))]
    return actions


def waiting(
    history: History, slots: int, first: Callable[[int], int], among: Container[int] | None = None
) -> list[Action]:
    """Resume what waits, by number, to where it was going.

    first: the first milestone of a trial that never began. among: whose turn it is; None: everybody's.
    """
    numbers = [number for number in sorted(history.waiting) if among is None or number in among]
    return [Resume(number, history.until(number) or first(number)) for number in numbers[:slots]]
