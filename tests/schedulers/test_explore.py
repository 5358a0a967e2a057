"""What a fork changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cotune.schedulers.explore import explored
from cotune.space import Categorical, Float, Int, Space


def values(parameter: Any, start: Any, n: int = 400) -> list[Any]:
    space = Space(a=parameter)
    random = np.random.default_rng(0)
    return [explored(space, space.check({"a": start}), random)["a"] for _ in range(n)]


@pytest.mark.parametrize(
    ("parameter", "start", "steps"),
    [
        (Float(1e-4, 1.0, log=True, schedule=True), 0.01, {0.0125, 0.008}),
        (Float(0.0, 1.0, schedule=True), 0.5, {0.6, 0.4}),
        (Float(0.0, 1.0, step=0.25, schedule=True), 0.5, {0.75, 0.25}),
        (Int(1, 1000, log=True, schedule=True), 100, {125, 80}),
        (Int(1, 1000, log=True, schedule=True), 2, {1, 3}),
        (Int(0, 4, schedule=True), 2, {1, 3}),
        (Categorical([16, 32, 64, 128], ordered=True, schedule=True), 64, {32, 128}),
    ],
)
def test_three_of_four_move_by_one_step_and_the_others_are_drawn_anew(parameter: Any, start: Any, steps: set) -> None:
    found = values(parameter, start)
    near = [value for value in found if any(value == pytest.approx(step) for step in steps)]
    assert 0.7 < len(near) / len(found) < 0.95
    assert len(set(found)) > len(steps) - 1 and set(found) - set(near)


def test_choices_without_an_order_are_drawn_anew() -> None:
    assert set(values(Categorical(["a", "b", "c"], schedule=True), "b")) == {"a", "b", "c"}


def test_at_an_end_of_its_range_a_number_moves_away_from_it() -> None:
    found = values(Float(1e-4, 1.0, log=True, schedule=True), 1.0)
    assert 1.0 not in found and sum(value == pytest.approx(0.8) for value in found) > 200


def test_nothing_leaves_the_range() -> None:
    assert max(values(Float(1e-4, 1.0, log=True, schedule=True), 1.0)) <= 1.0
    assert min(values(Int(1, 8, schedule=True), 1)) >= 1


def test_what_is_not_marked_stays() -> None:
    space = Space(a=Float(0.0, 1.0, schedule=True), b=Float(0.0, 1.0), c=["x", "y"])
    config = space.check({"a": 0.5, "b": 0.123, "c": "y"})
    other = explored(space, config, np.random.default_rng(1))
    assert other["b"] == 0.123 and other["c"] == "y" and other["a"] != 0.5


def test_rules_hold_and_where_none_is_allowed_the_configuration_stays() -> None:
    free = Space(a=Float(0.0, 1.0, schedule=True), require=lambda c: c.a <= 0.55)
    assert all(explored(free, free.check({"a": 0.5}), np.random.default_rng(seed))["a"] <= 0.55 for seed in range(50))
    tight = Space(a=Categorical([1, 2], ordered=True, schedule=True), require=lambda c: c.a == 1)
    assert explored(tight, tight.check({"a": 1}), np.random.default_rng(0)) == {"a": 1}


def test_inactive_parameters_stay_inactive() -> None:
    space = Space(kind=["sgd", "adam"], momentum=Float(0.0, 0.9, schedule=True, when={"kind": "sgd"}))
    assert "momentum" not in explored(space, space.check({"kind": "adam"}), np.random.default_rng(0))
