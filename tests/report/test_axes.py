from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from cotune.report.axes import axis_of_most, axis_over, spelled

numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-300, max_value=1e300)


@given(st.lists(numbers, min_size=1), st.integers(2, 8))
def test_every_value_and_tick_lies_between_the_ends(values: list[float], n: int) -> None:
    axis = axis_over(values, 10.0, 110.0)
    assert all(10.0 <= axis.at(value) <= 110.0 for value in [*values, *axis.ticks(n)])


@given(st.lists(positive, min_size=1), st.integers(2, 8))
def test_the_same_on_a_logarithmic_axis(values: list[float], n: int) -> None:
    axis = axis_over(values, 110.0, 10.0, is_log=True)
    assert all(9.999 <= axis.at(value) <= 110.001 for value in [*values, *axis.ticks(n)])


@given(st.lists(numbers, min_size=2, max_size=2, unique=True))
def test_larger_values_lie_further_along(values: list[float]) -> None:
    assume(abs(values[0] / 2 - values[1] / 2) > 1e-12 * max(map(abs, values)))  # not neighbours among floats
    axis = axis_over(values, 0.0, 100.0)
    assert axis.at(min(values)) < axis.at(max(values))


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axis = axis_over([1e-4, 1e-1], 0.0, 100.0, is_log=True)
    first, second, third = (axis.at(10 * value) - axis.at(value) for value in (1e-4, 1e-3, 1e-2))
    assert math.isclose(first, second) and math.isclose(second, third)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 8))
def test_about_as_many_ticks_as_wanted(low: float, width: float, n: int) -> None:
    assume(low + width > low)
    ticks = axis_over([low, low + width], 0.0, 1.0).ticks(n)
    assert n / 3 <= len(ticks) <= 2 * n


def test_ticks_are_round_numbers() -> None:
    assert axis_over([0.0, 100.0], 0.0, 1.0).ticks(5) == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert axis_over([1e-4, 1e-1], 0.0, 1.0, is_log=True).ticks(4) == [1e-4, 1e-3, 1e-2, 1e-1]
    assert axis_over([16, 512], 0.0, 1.0, is_log=True).ticks(6) == [20.0, 50.0, 100.0, 200.0, 500.0]


def test_labels_differ_where_ticks_do() -> None:
    for values in ([0.981, 0.982, 0.983], [1e-9, 2e-9, 3e-9], [1e7, 2e7, 3e7], [0.0, 0.5, 1.0]):
        assert len(set(spelled(values))) == len(values)


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15), st.booleans())
def test_far_off_worst_values_lie_outside_and_the_best_inside(values: list[float], maximise: bool) -> None:
    sign = -1.0 if maximise else 1.0
    axis = axis_of_most([*(sign * value for value in values), sign * 1e6], 0.0, 1.0, maximise=maximise)
    assert not axis.holds(sign * 1e6)
    assert axis.holds(sign * min(values))


def test_a_few_values_are_all_inside() -> None:
    axis = axis_of_most([0.0, 1.0, 1e6], 0.0, 1.0, maximise=False)
    assert axis.holds(0.0) and axis.holds(1e6)


def test_no_value_makes_an_axis_too() -> None:
    assert axis_over([], 0.0, 1.0).ticks(4)
    assert axis_over([math.nan, math.inf], 0.0, 1.0).low < axis_over([], 0.0, 1.0).high
