from __future__ import annotations

import pytest

from builders import done, history_of, plane, started
from cotune.explain import Difference, explanation
from cotune.records import Enqueued, Event, Failed, History, Started, State, Stopped

RECORD = {
    "strategy": "bayesian", "why": "expected improvement", "results": 2, "pending": 0,
    "predicted": {"mean": 1.0, "low": 0.5, "high": 2.0}, "expected_improvement": 0.1, "noise": 0.0, "explore": 0.75,
    "nearest": [[1, 0.25], [0, 0.5], [9, 0.6]], "best": 1, "model": {},
}  # fmt: skip


def study(record: dict, *outcome: Event, **objectives: bool) -> History:
    """Two results, 3 and 2, and a trial with that record."""
    before = [started(0, {"x": 0.0, "n": 1}), done(0, 3.0), started(1, {"x": 1.0, "n": 2}), done(1, 2.0)]
    return history_of(plane(), [*before, Started(2, {"x": 1.0, "n": 3}, "w", None, record, 5), *outcome], **objectives)


def test_what_came_is_set_against_what_was_predicted() -> None:
    above, below = (explanation(study(RECORD, done(2, value)), 2) for value in (3.0, 0.0))
    assert (above.value, above.deviations) == (3.0, 2.0)
    assert (below.value, below.deviations) == (0.0, -2.0)


def test_the_evidence_is_told_with_results_and_differences() -> None:
    near, far = explanation(study(RECORD), 2).evidence
    assert (near.number, near.distance, near.state, near.value) == (1, 0.25, State.DONE, 2.0)
    assert near.differences == (Difference("n", here=3, there=2),)
    assert far.differences == (Difference("x", here=1.0, there=0.0), Difference("n", here=3, there=1))


def test_the_best_of_that_time_comes_with_its_result() -> None:
    assert explanation(study(RECORD), 2).best_value == 2.0


def test_a_trial_without_a_result_deviates_from_nothing() -> None:
    running = explanation(study(RECORD), 2)
    assert running.state is State.RUNNING and running.value is running.deviations is None
    failed = explanation(study(RECORD, Failed(2, 1, "error", "broken")), 2)
    assert failed.failure is not None and failed.deviations is None


@pytest.mark.parametrize("name", RECORD)
def test_a_record_may_lack_any_key(name: str) -> None:
    explanation(study({key: value for key, value in RECORD.items() if key != name}, done(2, 1.0)), 2)


def test_an_empty_record_explains_nothing_but_what_came() -> None:
    found = explanation(study({}, done(2, 1.0)), 2)
    assert found.value == 1.0 and found.predicted is None and found.evidence == ()


def test_why_a_trial_was_stopped_is_told() -> None:
    events = [Enqueued(0, {"x": 0.0, "n": 1}), Stopped(0, {"why": "rank 9 of 9", "rung": 1}, 1)]
    found = explanation(history_of(plane(), events), 0)
    assert found.decision.strategy == "enqueued" and found.decision.stop == {"why": "rank 9 of 9", "rung": 1}
