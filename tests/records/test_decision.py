from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cotune.records import DecisionRecord, Prediction, read_decision

NAME = st.sampled_from(["mean", "low", "high", "", "0.5"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAME,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "strategy", "why", "results", "pending", "predicted", "also_predicted", "expected_improvement",
    "largest_improvement", "noise", "explore", "nearest", "best", "model", "stop",
]  # fmt: skip


def full() -> dict:
    return {
        "strategy": "bayesian", "why": "expected improvement", "results": 20, "pending": 1,
        "predicted": {"mean": 0.9, "low": 0.8, "high": 0.95},
        "also_predicted": {"size": {"mean": 3.0, "low": 2.0, "high": 4.0}, "odd": {"mean": 3.0}},
        "expected_improvement": 0.01,
        "largest_improvement": 0.02, "noise": 0.002, "explore": 0.25, "nearest": [[3, 0.5], [7, 1]], "best": 3,
        "model": {"lengthscales": [1.0]},
    }  # fmt: skip


def test_a_full_record_is_read_as_it_was_written() -> None:
    record = read_decision(full())
    assert record == DecisionRecord(
        "bayesian",
        "expected improvement",
        20,
        1,
        Prediction(0.9, 0.8, 0.95),
        (("size", Prediction(3.0, 2.0, 4.0)),),
        0.01,
        0.02,
        0.002,
        0.25,
        ((3, 0.5), (7, 1.0)),
        3,
    )


def test_the_promise_is_the_largest_improvement_that_a_model_was_asked_for() -> None:
    assert read_decision(full()).promise == 0.02
    assert read_decision({**full(), "largest_improvement": None}).promise == 0.01
    assert read_decision({**full(), "why": "lowest predicted mean"}).promise is None


@pytest.mark.parametrize("name", NAMES)
def test_a_record_may_lack_anything(name: str) -> None:
    read_decision({key: value for key, value in full().items() if key != name})


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_json_is_too_strange_to_be_read(record: dict) -> None:
    read_decision(record)


@pytest.mark.parametrize(
    ("name", "value"),
    [("results", -1), ("results", True), ("pending", 1.5), ("explore", 1.1), ("explore", "0.5"), ("noise", -0.1),
     ("expected_improvement", float("nan")), ("predicted", {"mean": 0.9}), ("best", "3"),
     ("predicted", {"mean": 0.9, "low": 0.95, "high": 1.0}), ("predicted", [0.9, 0.8, 1.0]), ("stop", "now")],
)  # fmt: skip
def test_what_makes_no_sense_is_not_known(name: str, value: object) -> None:
    assert getattr(read_decision({**full(), name: value}), name) is None


def test_of_the_nearest_only_pairs_of_a_number_and_a_distance_count() -> None:
    assert read_decision({"nearest": [[1, 0.5], [2], "34", [3, -1.0], [4, 0], None]}).nearest == ((1, 0.5), (4, 0.0))


def test_deviations_are_counted_on_the_side_where_the_value_lies() -> None:
    predicted = Prediction(1.0, 0.5, 3.0)
    assert [predicted.deviations(value) for value in (0.0, 0.5, 1.0, 3.0, 5.0)] == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert Prediction(1.0, 1.0, 3.0).deviations(0.5) is None


def test_a_result_may_deviate_by_the_noise_too() -> None:
    assert Prediction(1.0, -2.0, 4.0).deviations(11.0, noise=4.0) == 2.0
    record = {**full(), "predicted": {"mean": 1.0, "low": -2.0, "high": 4.0}, "noise": 4.0}
    assert read_decision(record).deviations(6.0) == 1.0
    assert read_decision({}).deviations(6.0) is None
