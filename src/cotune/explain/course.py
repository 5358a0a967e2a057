"""The course of a search: what came of every trial, and the best so far. Pure functions of the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cotune.records import History, State


@dataclass(frozen=True, slots=True)
class Point:
    """What came of a trial.

    value: an objective at its last step, in its own sign; None without one, or if the trial failed. is_contender:
    whether the trial was allowed to go as far as any, so that it may be the best.
    """

    number: int
    state: State
    value: float | None
    is_contender: bool


def course(history: History, objective: str) -> tuple[Point, ...]:
    """All trials by number."""
    contenders = frozenset(history.contenders())
    return tuple(
        Point(number, history.state(number), _value(history, number, objective), number in contenders)
        for number in range(len(history))
    )


def improvements(points: Sequence[Point], *, maximise: bool) -> tuple[Point, ...]:
    """The contenders that are better than all before them."""
    found = list[Point]()
    for point in points:
        if point.is_contender and point.value is not None and (not found or is_better(point, found[-1], maximise)):
            found.append(point)
    return tuple(found)


def is_better(point: Point, other: Point, maximise: bool) -> bool:
    """Whether the first of two points with values is better than the second."""
    assert point.value is not None and other.value is not None
    return point.value > other.value if maximise else point.value < other.value


def middle(points: Sequence[Point]) -> float | None:
    """The median value of the contenders; None without any."""
    values = [point.value for point in points if point.is_contender and point.value is not None]
    return median(values) if values else None


def ranking(history: History) -> list[int]:
    """Numbers of the done trials, or of the furthest paused ones while none is done.

    The front first, then those that went furthest, then the lower first loss.
    """
    front, furthest, losses = frozenset(history.front()), frozenset(history.contenders()), history.y
    done = [number for number in range(len(history)) if history.state(number) is State.DONE]
    return sorted(done or furthest, key=lambda k: (k not in front, k not in furthest, losses[k, 0], k))


def _value(history: History, number: int, objective: str) -> float | None:
    if history.state(number) is State.FAILED:
        return None
    told = history.metrics(number) or history.reported(number, history.step(number))
    return told.get(objective)
