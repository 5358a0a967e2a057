"""The condition of `append`, not the lock of whoever decides, says what is true."""

from __future__ import annotations

import pytest

from builders import created, done, plane, started
from cotune.errors import LeaseLost
from cotune.records import Event, History, Reported
from cotune.storage import MemoryStorage
from cotune.study.log import Log

CONFIG = {"x": 0.5, "n": 3}


@pytest.fixture
def logs() -> tuple[Log, Log]:
    """Two workers on one log that has begun."""
    storage = MemoryStorage()
    one, other = Log(storage, plane()), Log(storage.sibling(), plane())
    one.create(created(plane()))
    return one, other


def test_a_decision_that_was_overtaken_is_made_again(logs: tuple[Log, Log]) -> None:
    one, other = logs

    def choose(history: History) -> list[Event]:
        if not history.running:
            assert other.storage.append([started(0, CONFIG, other.worker)], 1)  # without the lock
        return [started(len(history), CONFIG, one.worker)]

    assert [event.number for event in one.decide(choose)] == [1]
    assert one.history.running == {0: other.worker, 1: one.worker}


def test_a_fact_that_met_another_of_its_trial_comes_after_it(logs: tuple[Log, Log]) -> None:
    one, other = logs
    one.decide(lambda history: [started(0, CONFIG, one.worker)])
    other.refresh()
    other.record([Reported(0, 1, [1], {"value": [2.0]})])
    one.record([Reported(0, 1, [2], {"value": [1.0]})])
    assert one.history.trial(0).curve == {"value": [2.0, 1.0]}


def test_an_outcome_that_came_second_is_refused_and_leaves_no_trace(logs: tuple[Log, Log]) -> None:
    one, other = logs
    one.decide(lambda history: [started(0, CONFIG, one.worker)])
    other.refresh()
    other.record([done(0, 1.0)])
    with pytest.raises(LeaseLost):
        one.record([done(0, 2.0)])
    assert len(one.storage.read(0)) == 3 and one.history.metrics(0) == {"value": 1.0}
