from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from builders import history_of, plane, started
from cotune.explain.course import course, improvements, middle, ranking
from cotune.records import Failed, Finished, Reached, Reported, State, Stopped
from pages import search, told, two

finite = st.floats(-1e9, 1e9)


def test_every_trial_is_a_point_with_its_state_and_last_value() -> None:
    events = [
        started(0, {"x": 0.0, "n": 1}), Reported(0, 1, [1, 2], {"value": [5.0, 4.0]}),
        Finished(0, 1, 2, {"value": 4.0}),
        started(1, {"x": 0.0, "n": 2}, until=1), Reported(1, 1, [1], {"value": [6.0]}), Reached(1, 1, 1),
        Stopped(1, {}, 0),
        started(2, {"x": 0.0, "n": 3}), Reported(2, 1, [1], {"value": [7.0]}), Failed(2, 1, "error", "no"),
        started(3, {"x": 0.0, "n": 4}), Reported(3, 1, [1], {"value": [8.0]}),
        started(4, {"x": 0.0, "n": 5}),
    ]  # fmt: skip
    points = course(history_of(plane(), events, steps=2), "value")
    assert [point.value for point in points] == [4.0, 6.0, None, 8.0, None]
    assert [point.state for point in points] == [
        State.DONE, State.STOPPED, State.FAILED, State.RUNNING, State.RUNNING,
    ]  # fmt: skip
    assert [point.number for point in points if point.is_contender] == [0]


@given(st.lists(finite, min_size=1, max_size=30), st.booleans())
def test_the_last_improvement_is_the_best_and_each_beats_the_one_before(values: list[float], maximise: bool) -> None:
    found = improvements(course(told(values), "value"), maximise=maximise)
    assert found[-1].value == (max if maximise else min)(values)
    pairs = list(zip(found, found[1:], strict=False))
    assert all((b.value > a.value) is maximise and a.number < b.number for a, b in pairs)


def test_the_last_improvement_is_the_best_of_the_study() -> None:
    history = search(60)
    assert improvements(course(history, "accuracy"), maximise=True)[-1].number == history.best()


def test_the_middle_is_the_median_of_those_that_came_as_far() -> None:
    assert middle(course(told([1.0, 2.0, 9.0]), "value")) == 2.0
    assert middle(course(told([]), "value")) is None


def test_the_front_ranks_first_and_then_the_lower_loss() -> None:
    assert ranking(told([3.0, 1.0, 2.0])) == [1, 2, 0]
    assert ranking(two()) == [0, 1, 2, 3]
    assert ranking(told([])) == []
