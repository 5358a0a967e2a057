"""Warps keep the order of losses and can be undone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.numerics.warp import clipped, half_rank

LOSSES = st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=1, max_size=40).map(np.array)


@pytest.mark.parametrize("warp", [clipped, half_rank])
@settings(max_examples=200, deadline=None)
@given(losses=LOSSES)
def test_a_warp_keeps_the_order_and_standardises(warp, losses) -> None:
    warped = warp(losses).values
    order = np.argsort(losses, kind="stable")
    assert np.all(np.diff(warped[order]) >= -1e-9) and np.all(np.isfinite(warped))
    assert abs(warped.mean()) < 1e-6
    assert warped.std() == pytest.approx(1.0) or not warped.any()


@pytest.mark.parametrize("warp", [clipped, half_rank])
def test_what_was_seen_is_found_again_from_its_warped_value(warp) -> None:
    losses = np.array([3.0, 1.0, 2.0, 5.0, 9.0, 2.5, 7.0, 4.0])
    warped = warp(losses)
    assert [warped.raw(value) for value in warped.values] == pytest.approx(losses.tolist(), rel=1e-9)
    assert warped.raw(warped.values.min() - 1.0) < 1.0 < warped.raw(warped.values.min() + 1e-3)
    assert warped.slope(warped.values.min()) > 0


def test_one_outlier_does_not_hide_the_differences_among_the_rest() -> None:
    losses = np.array([1.0, 1.1, 1.2, 1.3, 1e18])
    for warp in (clipped, half_rank):
        warped = warp(np.concatenate([losses, [1.4, 1.5]])).values
        assert warped[1] - warped[0] > 0.05


def test_half_rank_looks_at_bad_losses_by_rank_alone() -> None:
    good = [0.1, 0.2, 0.3, 0.4]
    mild, wild = half_rank(np.array([*good, 1.0, 2.0, 3.0])), half_rank(np.array([*good, 1.0, 20.0, 1e9]))
    assert mild.values == pytest.approx(wild.values)
