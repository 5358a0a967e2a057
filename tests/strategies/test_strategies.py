from __future__ import annotations

import numpy as np
import pytest

from builders import done, history_of, started
from cotune.records import Enqueued, Failed, History, Setting
from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Float, Int, Space
from cotune.strategies import Grid, Random, StartsFirst
from cotune.strategies.sobol import Sobol


def draw(number: int) -> np.random.Generator:
    return generator(0, Purpose.CHOOSE, number)


def test_the_grid_is_every_combination_once() -> None:
    space = Space(a=Categorical(["p", "q"]), b=Int(1, 3))
    suggestions = Grid().suggest(history_of(space, []), 100, draw)
    assert len(suggestions) == 6 == len({tuple(s.config.values()) for s in suggestions})


def test_the_grid_ends_when_everything_was_tried() -> None:
    space = Space(a=Categorical(["p", "q"]))
    history = history_of(space, [started(0, {"a": "p"}), started(1, {"a": "q"})])
    assert Grid().suggest(history, 1, draw) == []


def test_the_grid_leaves_out_what_somebody_else_tried() -> None:
    space = Space(a=Categorical(["p", "q", "r"]))
    rest = Grid().suggest(history_of(space, [started(0, {"a": "q"})]), 9, draw)
    assert {s.config["a"] for s in rest} == {"p", "r"}


def test_a_continuous_parameter_gets_as_many_levels_as_the_first_budget_allows() -> None:
    space = Space(x=Float(0.0, 1.0), a=Categorical(["p", "q"]))
    history = history_of(space, [Setting("trials", 10)])
    levels = sorted({s.config["x"] for s in Grid().suggest(history, 100, draw)})
    assert levels == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_part_of_the_grid_is_spread_over_the_whole() -> None:
    space = Space(x=Int(0, 15), y=Int(0, 15))
    first = [s.config for s in Grid().suggest(history_of(space, []), 32, draw)]
    assert len({c["x"] for c in first}) > 8 and len({c["y"] for c in first}) > 8


def test_random_draws_each_trial_from_its_own_generator() -> None:
    space = Space(x=Float(0.0, 1.0))
    fifth = Random().suggest(history_of(space, [started(i, {"x": 0.5}) for i in range(4)]), 1, draw)
    assert fifth[0].config == space.sample(draw(4))


def test_sobol_points_fill_the_square_more_evenly_than_random_ones() -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    for strategy, fewest in ((Sobol(), 64), (Random(), 0)):
        points = np.array([list(s.config.values()) for s in strategy.suggest(history_of(space, []), 64, draw)])
        cells = {(int(8 * x), int(8 * y)) for x, y in points}
        assert len(cells) >= fewest
    assert len(cells) < 64  # random left holes


def test_sobol_goes_on_where_the_trials_end() -> None:
    space = Space(x=Float(0.0, 1.0))
    whole = [s.config["x"] for s in Sobol().suggest(history_of(space, []), 8, draw)]
    history = history_of(space, [started(i, {"x": x}) for i, x in enumerate(whole[:5])])
    assert [s.config["x"] for s in Sobol().suggest(history, 3, draw)] == whole[5:]


def test_two_seeds_scramble_differently() -> None:
    space = Space(x=Float(0.0, 1.0))
    points = [Sobol().suggest(history_of(space, [], seed=seed), 4, draw) for seed in (0, 1)]
    assert points[0][0].config != points[1][0].config


@pytest.mark.parametrize("make", [Random, Sobol])
def test_what_an_enqueued_or_failed_trial_has_had_is_not_drawn_again(make: type) -> None:
    space = Space(n=Int(1, 50))
    events = [Enqueued(0, {"n": 7}), started(1, {"n": 8}), Failed(1, 1, "error", "broken")]
    left = [suggestion.config["n"] for suggestion in make().suggest(history_of(space, events), 60, draw)]
    assert sorted(left) == [n for n in range(1, 51) if n not in (7, 8)]


@pytest.mark.parametrize("make", [Random, Sobol])
def test_a_rule_that_leaves_three_configurations_leaves_three_suggestions(make: type) -> None:
    space = Space(n=Int(1, 40), require=lambda c: c.n in (7, 25, 34))
    assert sorted(s.config["n"] for s in make().suggest(history_of(space, []), 9, draw)) == [7, 25, 34]


def test_sobol_says_why_a_point_is_not_on_its_sequence() -> None:
    records = [s.decision for s in Sobol().suggest(history_of(Space(n=Int(1, 9)), []), 9, draw)]
    assert records[0]["why"] == "point 1 of evenly spread ones"
    assert records[8]["why"] == "the evenly spread point was tried before; drawn at random"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_starting_points_come_first_whatever_is_asked_at_once(n: int) -> None:
    space = Space(x=Float(0.0, 1.0, default=0.75), start=[{"x": 0.1}, {"x": 0.2}])
    history: History = history_of(space, [])
    tried: list[float] = []
    while len(tried) < 4:
        for suggestion in StartsFirst(Random()).suggest(history, n, draw):
            number = len(history)
            history.extend([_as_started(number, suggestion), done(number, 1.0)])
            tried.append(suggestion.config["x"])
    assert tried[:3] == [0.1, 0.2, 0.75] and tried[3] == space.sample(draw(3))["x"]


def test_starting_points_are_not_lost_when_other_trials_came_before() -> None:
    space = Space(x=Float(0.0, 1.0), start=[{"x": 0.1}, {"x": 0.2}])
    history = history_of(space, [Enqueued(0, {"x": 0.5})])
    suggestions = StartsFirst(Random()).suggest(history, 3, draw)
    assert [s.config["x"] for s in suggestions] == [0.1, 0.2, space.sample(draw(3))["x"]]


def test_what_follows_the_starting_points_of_a_batch_is_none_of_them() -> None:
    space = Space(a=Categorical(["p", "q", "r"]), start=[{"a": "q"}, {"a": "r"}])
    for strategy in (Grid(), Random(), Sobol()):
        suggestions = StartsFirst(strategy).suggest(history_of(space, []), 5, draw)
        assert [s.config["a"] for s in suggestions] == ["q", "r", "p"]


def _as_started(number: int, suggestion: object) -> object:
    from cotune.records import Started

    return Started(number, dict(suggestion.config), "w", None, dict(suggestion.decision), 0)
