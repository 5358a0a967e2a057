from __future__ import annotations

import numpy as np
from pytest import approx

from cotune.numerics.ped_anova import divergence, shares


def found(units: np.ndarray, losses: np.ndarray, counts: tuple[int, ...] | None = None) -> np.ndarray:
    widths = np.zeros(units.shape[1]) if counts is None else np.array(counts, dtype=np.float64)
    return shares(units, losses, widths, np.random.default_rng(0))


def test_the_column_that_decides_has_it_all_and_the_others_nothing() -> None:
    units = np.random.default_rng(1).random((400, 3))
    assert found(units, units[:, 1]) == approx(np.array([0.0, 1.0, 0.0]), abs=0.05)


def test_shares_add_up_to_one() -> None:
    units = np.random.default_rng(2).random((300, 4))
    assert found(units, units[:, 0] + 0.7 * units[:, 2]).sum() == approx(1.0)


def test_one_choice_of_four_that_holds_all_the_best_has_its_closed_form() -> None:
    """The best quarter is one choice: q / p is 4 there and 0 elsewhere, so that its variance under p is 3."""
    units = (np.arange(400) % 4 + 0.5) / 4
    best = (np.arange(400) % 4 == 2).astype(np.float64)[None]
    assert divergence(units, best, 4) == approx([3.0])


def test_being_active_is_the_parents_doing() -> None:
    """All of the best have the child active, and its values do not matter."""
    random = np.random.default_rng(3)
    parent = np.where(random.random(600) < 0.3, 0.25, 0.75)
    child = np.where(parent < 0.5, random.random(600), np.nan)
    units = np.stack([parent, child], axis=1)
    assert found(units, parent + 1e-3 * random.random(600), (2, 0)) == approx(np.array([1.0, 0.0]), abs=0.1)


def test_parent_and_child_split_what_both_tell() -> None:
    """With all of the best active: (1 / P - 1) is the parent's, D / P the child's, D its divergence where active."""
    units = np.where(np.arange(800) % 2 == 0, (np.arange(800) % 8 + 0.5) / 8, np.nan)
    best = (np.arange(800) % 8 == 2).astype(np.float64)[None]
    own = divergence(units, best, 8)[0]
    assert own == approx(3.0 / 0.5)
    assert own + (1 / 0.5 - 1) == approx(1 / best.mean() - 1), "together they explain all of the variance"


def test_a_column_that_few_of_the_best_have_matters_little() -> None:
    """Half of the best have it, as of all: a quarter of what it would be worth if all of the best had it."""
    place = np.arange(800)
    units = np.where(place % 2 == 0, (place % 8 + 0.5) / 8, np.nan)
    best = ((place % 8 == 2) | (place % 8 == 3)).astype(np.float64)[None]
    assert divergence(units, best, 8) == approx([0.25 * 3.0 / 0.5])


def test_results_that_are_all_alike_in_a_column_tell_nothing() -> None:
    assert not found(np.full((50, 1), 0.3), np.arange(50.0)).any()
