"""Many configurations at once agree with one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.space import Categorical, Float, Int, Space, at_least, at_most, one_of
from space.test_conditions import trees

EVERY_KIND = Space(
    a=Float(0.1, 10.0, log=True),
    b=Float(0.0, 1.0, step=0.1, when={"a": at_least(1.0)}),
    c=Int(1, 5000, log=True, when={"b": at_most(0.7)}),
    d=Int(0, 1000, when={"c": one_of(*range(1, 400))}),
    e=Categorical(["p", "q", "r"], when={"d": at_least(300)}),
    f=Categorical([16, 32, 64], ordered=True, when={"e": one_of("p", "r")}),
    g=Float(2.0, 2.0, when={"f": at_least(32)}),
    h=Int(-(2**63), 2**63 - 1, when={"a": at_most(5.0)}),
)


def units_of(space: Space, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n, space.dimension))


def assert_agrees(space: Space, units: np.ndarray) -> None:
    snapped = space.positions.snapped(units)
    active = space.positions.active(snapped)
    for row, moved, is_active in zip(units, snapped, active, strict=True):
        exact = space.encode(space.decode(row))[0]
        assert (~np.isnan(exact)).tolist() == is_active.tolist()
        assert moved[is_active] == pytest.approx(exact[is_active], abs=1e-12)


def test_positions_and_activity_agree_with_decoding_for_every_kind_of_parameter() -> None:
    assert_agrees(EVERY_KIND, units_of(EVERY_KIND, 500, 0))
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * EVERY_KIND.dimension)).reshape(EVERY_KIND.dimension, -1).T
    assert_agrees(EVERY_KIND, corners)


@settings(max_examples=60, deadline=None)
@given(trees(), st.integers(0, 2**32))
def test_positions_and_activity_agree_with_decoding_in_any_tree(tree, seed) -> None:
    space, _ = tree
    assert_agrees(space, units_of(space, 20, seed))


def test_a_condition_at_the_edge_of_a_range_holds_everywhere_or_nowhere() -> None:
    edges = {"always": at_least(0.0), "top": at_least(1.0), "bottom": at_most(0.0)}
    space = Space({"n": Float(0.0, 1.0), **{name: Float(0.0, 1.0, when={"n": edge}) for name, edge in edges.items()}})
    units = np.array([[0.0, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [1.0, 0.5, 0.5, 0.5]])
    assert space.positions.active(units)[:, 1:].tolist() == [
        [True, False, True], [True, False, False], [True, True, False],
    ]  # fmt: skip


def test_counts_and_order_are_those_of_the_parameters() -> None:
    assert EVERY_KIND.positions.counts.tolist() == [np.inf, 11, 5000, 1001, 3, 3, 1, 2.0**64]
    assert EVERY_KIND.positions.is_ordered.tolist() == [True, True, True, True, False, True, True, True]


def test_what_is_unknown_stays_unknown() -> None:
    assert np.isnan(EVERY_KIND.positions.snapped(np.full((1, EVERY_KIND.dimension), np.nan))).all()


def test_a_cell_holds_its_position_and_decodes_to_one_value() -> None:
    units = units_of(EVERY_KIND, 500, 1)
    snapped = EVERY_KIND.positions.snapped(units)
    lows, highs = EVERY_KIND.positions.cells(units)
    assert (lows <= snapped + 1e-12).all() and (snapped <= highs + 1e-12).all()
    inner = 1e-9 * (highs - lows)
    for moved in (lows + inner, highs - inner):
        assert EVERY_KIND.positions.snapped(moved)[:, :7] == pytest.approx(snapped[:, :7], abs=1e-12)
    assert (highs - lows)[:, 0].tolist() == [0.0] * 500 and (highs - lows)[:, 6].tolist() == [1.0] * 500


def test_cells_of_the_smallest_and_the_largest_value_reach_to_the_ends() -> None:
    lows, highs = EVERY_KIND.positions.cells(np.array([[0.0] * 8, [1.0] * 8]))
    assert (lows[0] == 0.0).all() and (highs[1] == 1.0).all()
