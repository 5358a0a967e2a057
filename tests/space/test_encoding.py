"""Values and positions in the unit cube: exact there and back, and legal from everywhere."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotune.space import Categorical, Float, Int, Space

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=5e-324, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)


def assert_returns(parameter, value):
    space = Space(x=parameter)
    config = space.check({"x": value})
    unit, rest = space.encode(config)
    assert unit.shape == rest.shape == (1,) and unit.dtype == rest.dtype == np.float64
    assert 0 <= unit[0] <= 1
    assert space.decode(unit, rest).x == config.x == value
    assert type(space.decode(unit, rest).x) is type(value)


def ordered(numbers):
    return sorted(numbers)


@settings(max_examples=400, deadline=None)
@given(st.lists(FINITE, min_size=3, max_size=3).map(ordered))
@example([-1.0, 1e-200, 1.0])
@example([-1.0, 3e-17, 3.0])
@example([1e-17, 3.3e-17, 1.0])
@example([-1e308, 1.0, 1.7e308])
@example([0.0, 5e-324, 5e-324])
@example([0.0, 5e-324, 1e-323])
@example([-5e-324, 0.0, 1.7976931348623157e308])
def test_every_float_of_a_linear_range_returns_exactly(numbers):
    low, value, high = numbers
    assert_returns(Float(low, high), value + 0.0)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([(-1.0, 1.0), (-1.0, 3.0), (-3e-5, 1e5), (-1e300, 1e300), (1e-17, 1.0), (0.0, 7.0)]), st.data())
def test_values_near_zero_return_exactly(bounds, data):
    low, high = bounds
    size = data.draw(st.floats(-60, 0).map(lambda e: 2.0**e)) * high
    value = data.draw(st.floats(max(low, -size), max(size, low)))
    assert_returns(Float(low, high), value + 0.0)


@settings(max_examples=300, deadline=None)
@given(st.lists(POSITIVE, min_size=3, max_size=3).map(ordered))
@example([1e-300, 1.2345, 1e300])
@example([5e-324, 5e-324, 1.7976931348623157e308])
@example([5e-324, 1.7976931348623157e308, 1.7976931348623157e308])
@example([1e5, 1e5, math.nextafter(1e5, math.inf)])
def test_every_float_of_a_logarithmic_range_returns_exactly(numbers):
    low, value, high = numbers
    assert_returns(Float(low, high, log=True), value)


@settings(max_examples=300, deadline=None)
@given(st.lists(INT64, min_size=3, max_size=3).map(ordered), st.booleans())
@example([-(2**63), 2**63 - 1, 2**63 - 1], False)
@example([-(2**63), 2**53 + 1, 2**63 - 1], False)
@example([1, 2**63 - 2, 2**63 - 1], True)
@example([2**60, 2**60 + 1, 2**60 + 3], True)
def test_every_int_returns_exactly(numbers, log):
    low, value, high = numbers
    assert_returns(Int(low, high, log=log and low > 0), value)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4), st.integers(0, 10**5), st.integers(0, 12), st.data())
def test_the_values_of_a_stepped_float_are_those_written_in_decimal(low, step, count, digits, data):
    index = data.draw(st.integers(0, count))
    low_text, step_text, high_text, text = (
        f"{number}e-{digits}" for number in (low, step, low + count * step, low + index * step)
    )
    parameter = Float(float(low_text), float(high_text), step=float(step_text))
    assert parameter.count == count + 1
    assert_returns(parameter, float(text))


@given(st.integers(1, 60), st.integers(-100, 100), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_every_int_owns_an_equal_share_of_the_unit_interval(count, low, step):
    space = Space(n=Int(low, low + (count - 1) * step, step=step))
    middles = [(2 * i + 1) / (2 * 7 * count) for i in range(7 * count)]
    values = [space.decode([unit]).n for unit in middles]
    assert values == [low + (i // 7) * step for i in range(7 * count)]


def test_every_log_int_owns_the_logarithm_of_its_rounding_interval():
    space = Space(n=Int(1, 3, log=True))
    edge = math.log(1.5 / 0.5) / math.log(3.5 / 0.5)
    assert space.decode([edge - 1e-9]).n == 1
    assert space.decode([edge + 1e-9]).n == 2


def test_choices_are_encoded_as_the_middle_of_equal_cells():
    space = Space(c=Categorical(["a", "b", "c", "d"]))
    assert [float(space.encode(config)[0][0]) for config in space.grid()] == [0.125, 0.375, 0.625, 0.875]
    assert [space.decode([unit]).c for unit in (0.0, 0.25, 0.5, 0.75, 1.0)] == ["a", "b", "c", "d", "d"]


NESTED = Space(
    layers=Int(1, 3),
    kind=["a", None, [1, 2], {"k": [True]}, 0],
    width=Float(0, 1, step=0.1, when={"layers": [2, 3]}),
    rate=Float(1e-6, 1, log=True, when={"kind": [1, 2]}),
    big=Int(-(2**63), 2**63 - 1),
    long=Int(1, 2**63 - 1, log=True),
    span=Float(-1, 3),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_every_point_of_the_closed_cube_decodes_to_a_legal_configuration(unit):
    config = NESTED.decode(unit)
    assert NESTED.check(config) == config
    assert NESTED.decode(*NESTED.encode(config)) == config


def test_inactive_parameters_are_nan_and_ignored():
    config = NESTED.check({"layers": 1, "kind": "a", "big": 2**62 + 1, "long": 2**61 + 1, "span": 1e-9})
    unit, rest = NESTED.encode(config)
    assert np.isnan(unit).tolist() == np.isnan(rest).tolist() == [name not in config for name in NESTED.names]
    assert NESTED.decode(unit, rest) == config


def test_a_position_outside_the_cube_is_a_bug_of_ours():
    for unit in (math.nan, -0.1, 1.1):
        with pytest.raises(AssertionError):
            Space(a=(0, 1)).decode([unit])


@pytest.mark.parametrize("log", [False, True])
def test_ints_beyond_the_reach_of_one_float_are_all_sampled(log):
    space = Space(n=Int(1 if log else -(2**63), 2**63 - 1, log=log))
    random = np.random.default_rng(0)
    values = [space.sample(random).n for _ in range(500)]
    assert {value % 2 for value in values if abs(value) > 2**58} == {0, 1}
    assert all(space.check({"n": value}).n == value for value in values)


@pytest.mark.parametrize("low", [1, 2**20, 2**46, 2**60])
def test_a_narrow_logarithmic_range_reaches_each_of_its_ints(low):
    space = Space(n=Int(low, low + 3, log=True))
    random = np.random.default_rng(0)
    assert {space.sample(random).n for _ in range(100)} == set(range(low, low + 4))


def test_high_logarithmic_ints_leave_no_gaps():
    space = Space(n=Int(2**55, 2**55 + 2**27, log=True))
    random = np.random.default_rng(0)
    assert len({space.sample(random).n % 64 for _ in range(2_000)}) == 64


def test_a_model_that_changes_its_list_does_not_change_the_space():
    space = Space(layers=[[64, 64], [128]])
    space.decode([0.0]).layers.append(1)
    space.complete({}).layers.append(1)
    assert space.decode([0.0]).layers == [64, 64]


def test_bounds_are_reached_at_the_ends_of_the_cube():
    space = Space(a=Float(-0.3, 0.7), b=Float(1e-5, 0.1, log=True), c=Int(3, 9))
    assert list(space.decode([0, 0, 0]).values()) == pytest.approx([-0.3, 1e-5, 3])
    assert list(space.decode([1, 1, 1]).values()) == pytest.approx([0.7, 0.1, 9])
