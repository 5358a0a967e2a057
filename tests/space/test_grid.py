"""Levels of a parameter and grids of a space."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.errors import SpaceError
from cotune.space import Categorical, Float, Int, Space


def test_levels_are_evenly_spaced_with_both_ends():
    assert Float(0.0, 0.6).levels(3) == [0.0, 0.3, 0.6]
    assert Float(1e-4, 1e-1, log=True).levels(4) == [1e-4, 1e-3, 1e-2, 1e-1]
    assert Float(0, 1, step=0.1).levels(3) == [0.0, 0.5, 1.0]
    assert Int(16, 512, log=True).levels(6) == [16, 32, 64, 128, 256, 512]
    assert Int(0, 100).levels(3) == [0, 50, 100]
    assert Int(0, 3).levels(9) == [0, 1, 2, 3]
    assert Categorical("abc").levels(2) == ["a", "b", "c"]


@settings(max_examples=60, deadline=None)
@given(st.integers(-50, 50), st.integers(0, 400), st.integers(1, 30), st.booleans())
def test_levels_are_at_most_n_different_ones_and_all_if_they_are_few(low, span, n, log):
    parameter = Int(low, low + span, log=log and low > 0)
    levels = parameter.levels(n)
    assert levels == sorted(set(levels)) and len(levels) <= n
    if span + 1 <= n:
        assert levels == list(range(low, low + span + 1))
    elif n >= 2:
        assert (levels[0], levels[-1]) == (low, low + span)


def test_counts_are_none_only_for_continuous_values():
    assert (Float(0, 1).count, Float(1, 1).count, Float(0, 1, step=0.1).count) == (None, 1, 11)
    assert (Int(-(2**63), 2**63 - 1).count, Categorical([1, 2]).count) == (2**64, 2)


def test_free_parameters_share_the_largest_number_of_levels_that_fits():
    space = Space(optimizer=["sgd", "adam"], rate=(0.0, 1.0), width=(1, 100), momentum=Float(0, 1, step=0.5))
    for budget, k in [(24, 2), (53, 2), (54, 3), (96, 4), (600, 10)]:
        grid = space.grid(budget)
        assert len(grid) == 2 * k * k * 3 <= budget
        assert len({config.rate for config in grid}) == len({config.width for config in grid}) == k
    assert len(space.grid()) == 2 * 5 * 5 * 3
    assert len(space.grid(budget=1)) == 2 * 2 * 2 * 3


def test_an_inactive_parameter_does_not_multiply():
    space = Space(a=["x", "y"], b=Int(0, 2, when={"a": "x"}), c=Float(0, 1, when={"b": 1}))
    assert len(space.grid(budget=10)) == 1 + 2 + 7
    assert space.size is None
    assert Space(a=["x", "y"], b=Int(0, 2, when={"a": "x"})).size == 4


def test_a_grid_obeys_the_rules_and_says_so_if_nothing_is_left():
    space = Space(a=(0, 9), b=(0, 9), require=lambda c: c.a < c.b)
    assert len(space.grid()) == 45
    assert all(config.a < config.b for config in space.grid())
    with pytest.raises(SpaceError, match="allow none of the grid's 2 points"):
        Space(a=(0.0, 1.0), require=lambda c: 0.1 < c.a < 0.9).grid(budget=2)


def test_a_grid_of_more_than_a_million_points_is_refused_with_its_size():
    with pytest.raises(SpaceError, match=r"got 10,000,000 or more. Use larger steps"):
        Space({f"p{i}": (0, 9) for i in range(7)}).grid()
    with pytest.raises(SpaceError, match="or another strategy"):
        Space(a=Float(0, 1, step=1e-9)).grid()
    assert Space({f"p{i}": (0, 9) for i in range(40)}).size == 10**40
    assert Space(a=Int(-(2**63), 2**63 - 1)).size == 2**64
