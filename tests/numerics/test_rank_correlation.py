from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import rankdata, spearmanr

from cotune.numerics.rank_correlation import ranks, spearman

Few = st.lists(st.integers(0, 6), min_size=1, max_size=20)


@given(Few)
def test_ranks_are_scipys_less_one(values: list[int]) -> None:
    assert ranks(np.array(values, dtype=float)) == approx(rankdata(values) - 1)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=20))
def test_the_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=float).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert math.isnan(spearman(a, b))
    else:
        assert spearman(a, b) == approx(spearmanr(a, b).statistic)
