from __future__ import annotations

import math

import pytest
from scipy.stats import t

from cotune.numerics.student import interval_factor


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 10, 30, 1000])
def test_the_factor_is_scipys(freedom: int) -> None:
    assert interval_factor(freedom) == pytest.approx(t.ppf(0.975, freedom), abs=1e-3)


def test_without_degrees_of_freedom_nothing_is_certain() -> None:
    assert interval_factor(0) == math.inf
