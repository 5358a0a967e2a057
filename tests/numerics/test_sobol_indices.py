"""Shares of variance against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pytest import approx

from cotune.numerics.sobol_indices import Shares, samples, shares

Function = Callable[[np.ndarray], np.ndarray]


def of(function: Function, d: int, n: int = 2048) -> Shares:
    """The shares of one function, every value computed anew."""
    a, b = samples(d, n, seed=3)
    ab, ba = np.repeat(a[None], d, axis=0), np.repeat(b[None], d, axis=0)
    for j in range(d):
        ab[j, :, j], ba[j, :, j] = b[:, j], a[:, j]
    values = [function(a), function(b), *(np.stack([function(x) for x in moved]) for moved in (ab, ba))]
    return shares(*(value[..., None] for value in values))


def test_a_sum_has_the_shares_of_its_terms_and_no_interactions() -> None:
    found = of(lambda x: x @ np.array([1.0, 2.0, 3.0]), 3)
    assert found.first[:, 0] == approx(np.array([1, 4, 9]) / 14, abs=0.005)
    assert found.total[:, 0] == approx(np.array([1, 4, 9]) / 14, abs=0.005)
    assert np.abs(found.pairs).max() < 0.01
    assert found.variance[0] == approx(14 / 12, abs=0.01)


def test_a_product_of_centred_columns_is_all_interaction() -> None:
    found = of(lambda x: (x[:, 0] - 0.5) * (x[:, 1] - 0.5), 3)
    assert found.first[:, 0] == approx(np.zeros(3), abs=0.02)
    assert found.total[:, 0] == approx(np.array([1.0, 1.0, 0.0]), abs=0.02)
    assert found.pairs[:, :, 0] == approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]), abs=0.03)


def test_the_ishigami_function_has_its_closed_form() -> None:
    def ishigami(x: np.ndarray) -> np.ndarray:
        a, b, c = (np.pi * (2 * x - 1)).T
        return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)

    found = of(ishigami, 3)
    assert found.first[:, 0] == approx(np.array([0.3139, 0.4424, 0.0]), abs=0.015)
    assert found.total[:, 0] == approx(np.array([0.5576, 0.4424, 0.2437]), abs=0.01)
    assert found.pairs[0, 2, 0] == approx(0.2437, abs=0.015)


def test_a_constant_has_no_shares() -> None:
    found = of(lambda x: np.full(len(x), 3.0), 2)
    assert not found.variance.any() and not found.first.any() and not found.total.any() and not found.pairs.any()


def test_shares_do_not_depend_on_units() -> None:
    one, other = (of(lambda x, k=k: k[0] + k[1] * np.sin(4 * x[:, 0]) * x[:, 1], 2) for k in ((0, 1), (9, -200)))
    assert one.total == approx(other.total) and one.first == approx(other.first, abs=1e-9)
