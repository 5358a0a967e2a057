"""What schedulers do without comparing anybody: begun trials go on, and new ones fill what is free."""

from __future__ import annotations

from collections.abc import Callable, Container

from cotune.config import Config
from cotune.errors import StudyError
from cotune.records import Action, History, JsonValue, Resume, Start, Stop, Suggestion


def require_one_objective(history: History, name: str) -> None:
    """Raise StudyError where the scheduler of that name would have to compare several objectives."""
    if len(history.objectives) > 1:
        raise StudyError(
            f"scheduler={name!r} compares one objective, the study has {len(history.objectives)}. "
            "Use scheduler='asha', which ranks several."
        )


def unfinished(
    history: History, slots: int, suggest: Callable[[int], list[Suggestion]], until: int | None
) -> list[Action]:
    """Resume what waits or is paused, by number, then start what the strategy suggests, all of them until a step."""
    begun = sorted(history.waiting | history.paused)[:slots]
    actions: list[Action] = [Resume(number, until) for number in begun]
    if len(actions) < slots:
        actions += [Start(suggestion, until) for suggestion in suggest(slots - len(actions))]
    return actions


def unstopped(
    history: History,
    slots: int,
    suggest: Callable[[int], list[Suggestion]],
    *,
    reason: Callable[[int], dict[str, JsonValue] | None],
    ahead: Callable[[Config, int], int],
) -> list[Action]:
    """Stop or resume what is paused, by number; free slots get new trials.

    reason: why a trial that is paused is stopped, None if it goes on. ahead: the next milestone of a trial with that
    configuration behind a step.
    """
    actions = list[Action]()
    n_going = 0
    for number in sorted(history.waiting | history.paused):
        why = reason(number) if number in history.paused else None
        if why is not None:
            actions.append(Stop(number, why))
        elif n_going < slots:
            until = history.until(number) if number in history.waiting else None
            actions.append(Resume(number, until or ahead(history.config(number), history.step(number))))
            n_going += 1
    if n_going < slots:
        actions += [Start(one, ahead(one.config, 0)) for one in suggest(slots - n_going)]
    return actions


def waiting(
    history: History, slots: int, first: Callable[[int], int], among: Container[int] | None = None
) -> list[Action]:
    """Resume what waits, by number, to where it was going.

    first: the first milestone of a trial that never began. among: whose turn it is; None: everybody's.
    """
    numbers = [number for number in sorted(history.waiting) if among is None or number in among]
    return [Resume(number, history.until(number) or first(number)) for number in numbers[:slots]]
