"""Small histories and events that many tests start from."""

from __future__ import annotations

from cotune.records import Created, Event, Finished, History, Started
from cotune.space import Float, Int, Space


def plane() -> Space:
    """Two numbers."""
    return Space(x=Float(-5.0, 5.0), n=Int(1, 8))


def created(space: Space, *, seed: int = 0, steps: int | None = None, **objectives: bool) -> Created:
    """The first event of a log."""
    return Created(space.to_json(), objectives or {"value": False}, seed, steps)


def history_of(space: Space, events: list[Event], **options: object) -> History:
    """The fold of a first event and what follows."""
    history = History(space)
    history.extend([created(space, **options), *events])
    return history


def started(
    number: int, config: dict, worker: str = "w", until: int | None = None, parent: tuple[int, int] | None = None
) -> Started:
    """A new trial in the hands of a worker."""
    state = None if parent is None else (f"{parent[0]:06d}-1-{parent[1]}.safetensors", "")
    return Started(number, config, worker, until, {"strategy": "test"}, 0, parent=parent, state=state)


def done(number: int, value: float, epoch: int = 1, step: int = 1) -> Finished:
    """The outcome of a trial with one objective."""
    return Finished(number, epoch, step, {"value": value})
