"""What a study optimises, from the words in which users say it. This file loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cotune.errors import StudyError, TaskError
from cotune.executors.objective import Objective, OfTask, of_trial_function
from cotune.executors.running import RunningTrial
from cotune.space import Space
from cotune.study.directions import directions
from cotune.training import Isolated, Run, Task, optimizers, schedules, unread
from cotune.training.threads import fastest_threads

_LEVELS = 5
"""So many values of a parameter that may change in training are tried, with the ends among them."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a search trains, and how its results are judged.

    objective: trains a trial. directions: metric -> whether it is maximised. steps: epochs of a trial, if known.
    threads: measures how many threads to train with; None where that is the user's business. folds: how many a trial
    trains one after another; None if it does not.
    """

    objective: Objective
    directions: dict[str, bool]
    steps: int | None
    task: Task | None
    threads: Callable[[], int] | None = None
    folds: int | None = None


def target_of(
    what: Task | Callable[[RunningTrial], Any],
    space: Space,
    *,
    minimize: str | list[str] | None,
    maximize: str | list[str] | None,
    epochs: int | None,
) -> Target:
    """Raises StudyError when it is neither a task nor a function, or the task lacks an objective's metric."""
    if isinstance(what, Task):
        if epochs is not None:
            raise StudyError(f"Study(epochs={epochs}) is for functions; a task has its own: Task(epochs={epochs})")
        chosen = _task_directions(what, minimize, maximize)
        require_known(what, space)
        require_read(what, space)
        require_forkable(what, space)
        objective = OfTask(what, chosen)
        return Target(
            objective, chosen, what.steps, what, lambda: fastest_threads(what, space.examples()[0]),
            what.n_folds if what.n_together < what.n_folds else None,
        )  # fmt: skip
    if not callable(what):
        raise StudyError(
            f"Study(...) needs a ct.Task or a function of a trial as its first argument, got {what!r}. "
            "Use None to ask and tell by hand."
        )
    return Target(of_trial_function(what), directions(minimize, maximize), epochs, None)


def require_known(task: Task, space: Space) -> None:
    """Raise TaskError if the space offers an optimiser or a schedule that training does not know."""
    for name, builder, known in (
        ("optimizer", task.optimizer, optimizers.NAMES),
        ("schedule", task.schedule, schedules.NAMES),
    ):
        choices = getattr(space.parameters.get(name), "choices", ())
        unknown = [choice for choice in choices if choice not in known]
        if unknown and builder is None:
            raise TaskError(
                f"the space offers {name}={unknown[0]!r}, which training does not know. "
                f"Use {', '.join(known)}, or make it yourself: Task({name}=...)."
            )


def require_read(task: Task, space: Space) -> None:
    """Raise TaskError if a hyperparameter has no effect: neither cotune nor a builder of the task reads it."""
    ignored = unread(task, space.examples())
    if ignored:
        names = ", ".join(repr(name) for name in ignored)
        raise TaskError(
            f"nothing reads the hyperparameter {names}: the search would vary what has no effect. "
            f"Use it in the model, e.g. lambda c: ... c.{ignored[0]} ..., or take it out of the space."
        )


def require_forkable(task: Task, space: Space) -> None:
    """Raise TaskError if a trial cannot go on from one that differs in what the space marks as a schedule."""
    if not space.scheduled:
        return
    if task.division is not None and task.division.reshuffle:
        raise TaskError(
            f"{space.scheduled[0]!r} has schedule=True, so that trials go on from each other's weights, and "
            f"{task.division!r} would validate them with what these were trained on. Leave reshuffle= out."
        )
    if task.division is not None and task.division.race:
        raise TaskError(
            f"{space.scheduled[0]!r} has schedule=True, and the folds of {task.division!r}, which train one after "
            "another, would be trained by different parts of a schedule. Leave race= out."
        )
    examples = space.examples()
    for name in space.scheduled:
        if name == "epochs":
            raise TaskError(
                "'epochs' has schedule=True, but how long a trial trains cannot change. Leave schedule= out."
            )
        example = next((example for example in examples if name in example), None)
        levels = [] if example is None else space.parameters[name].levels(_LEVELS)
        configs = [config for level in levels if space.allows(config := {**dict(example or {}), name: level})]
        with Isolated() as isolated:
            runs = [Run(task, config, isolated=isolated) for config in configs]
        for run in runs[1:]:
            if (reason := run.misfit(runs[0])) is not None:
                raise TaskError(
                    f"{name!r} has schedule=True, but a trial with {name}={run.config[name]!r} cannot go on from one "
                    f"with {runs[0].config[name]!r}: {reason}. Leave schedule= out."
                )


def _task_directions(task: Task, minimize: str | list[str] | None, maximize: str | list[str] | None) -> dict[str, bool]:
    name, maximise = task.objective
    if minimize is None and maximize is None:
        if maximise is None:
            raise StudyError(
                f"metric {name!r} is a function, so its direction is not known. "
                f"Say Study(..., maximize={name!r}) or Study(..., minimize={name!r})."
            )
        return {name: maximise}
    chosen = directions(minimize, maximize)
    measured = [*dict.fromkeys([measure.name for measure in task.measures] + ["loss", "train_loss"])]
    missing = [metric for metric in chosen if metric not in measured]
    if missing:
        raise StudyError(
            f"Study(...) optimises {', '.join(missing)}, but the task measures {', '.join(measured)}. "
            f"Add it: Task(metrics=[{missing[0]!r}, ...])."
        )
    return chosen
