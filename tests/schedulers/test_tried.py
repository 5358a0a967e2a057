"""A function shows by its first trial whether it can pause."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builders import created, plane
from cotune.records import Checkpointed, Event, Failed, Finished, History, Reported, Start, Started, Suggestion
from cotune.schedulers import ASHAIfItCan
from cotune.seeds import Purpose, generator

CONFIG = {"x": 0.5, "n": 3}


def after(events: Sequence[Event]) -> int | None:
    """Until which step the next trial is to be trained."""
    history = History(plane())
    history.extend([created(plane(), steps=9), *events])
    suggestion = Suggestion(plane().complete(CONFIG), {"strategy": "test"})
    [action] = ASHAIfItCan().plan(history, 1, lambda n: [suggestion] * n, lambda n: generator(0, Purpose.CHOOSE, n))
    assert isinstance(action, Start)
    return action.until


def trained(steps: Sequence[int], *, is_tracked: bool = True, name: str = "value") -> list[Event]:
    """Trial 0, from its start to its end after nine steps; `steps`: at which it reported."""
    kept = [Checkpointed(0, 1, 9, "0.safetensors", "00")] if is_tracked else []
    values = {name: [1.0] * len(steps)}
    end = Finished(0, 1, 9, {"value": 1.0})
    return [Started(0, CONFIG, "w", 9, {}, 0), Reported(0, 1, list(steps), values), *kept, end]


def test_the_first_trial_is_trained_to_its_end() -> None:
    assert after([]) == 9


def test_one_that_reports_at_rungs_makes_the_next_come_to_a_milestone() -> None:
    assert after(trained(range(1, 10))) == 1
    assert after(trained(range(1, 10), is_tracked=False)) == 1
    assert after(trained([1, 3, 9])) == 1


@pytest.mark.parametrize(
    "events",
    [trained([9]), trained([1, 9]), trained(range(1, 10), name="other")],
    ids=["reports at the end", "leaves out a rung", "reports something else"],
)
def test_one_that_does_not_lets_the_next_train_to_its_end(events: list[Event]) -> None:
    assert after(events) == 9


def test_a_trial_that_failed_shows_nothing() -> None:
    assert after([Started(0, CONFIG, "w", 9, {}, 0), Failed(0, 1, "exception", "x")]) == 9


def test_the_outline_says_what_it_depends_on() -> None:
    outline = ASHAIfItCan().outline(9)
    assert outline == "rungs at 1, 3, 9 epochs, one of 3 goes on, if the function reports at each"
