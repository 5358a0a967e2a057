from __future__ import annotations

import numpy as np

from cotune.numerics.pareto import leading


def test_non_dominated_rows_lead() -> None:
    losses = np.array([[2.0, 2.0], [0.0, 3.0], [3.0, 3.0], [1.0, 1.0], [3.0, 0.0]])
    assert set(leading(losses, 3)) == {1, 3, 4}
    assert leading(losses, 5)[3:].tolist() == [0, 2]


def test_within_a_rank_the_ends_lead_and_then_the_lonely() -> None:
    x = np.array([0.0, 0.45, 0.5, 0.55, 0.8, 1.0])
    order = leading(np.column_stack([x, 1.0 - x]), 6)
    assert set(order[:2]) == {0, 5} and set(order[2:4]) == {1, 4} and order[-1] == 2


def test_equal_rows_keep_their_order_and_more_than_there_are_gives_all() -> None:
    assert leading(np.ones((4, 2)), 9).tolist()[:1] == [0] and len(leading(np.ones((4, 2)), 9)) == 4
    assert leading(np.empty((0, 2)), 3).tolist() == []


def test_with_one_objective_the_lowest_lead() -> None:
    losses = np.random.default_rng(0).random((40, 1))
    assert leading(losses, 10).tolist() == np.argsort(losses[:, 0])[:10].tolist()
