from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from builders import done, history_of, started
from cotune.errors import StudyError
from cotune.records import Event, Failed, Finished, History
from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Float, Int, Space
from cotune.strategies import Random, Strategy
from cotune.strategies.tpe import TPE


def draw_with(seed: int) -> Callable[[int], np.random.Generator]:
    return lambda number: generator(seed, Purpose.CHOOSE, number)


def searched(
    strategy: Strategy, space: Space, n: int, result: Callable[[int, dict], Event], *, seed: int = 0, at_once: int = 1
) -> History:
    """A history of up to n trials, of which `at_once` are suggested together."""
    history = history_of(space, [])
    while len(history) < n:
        first = len(history)
        suggestions = strategy.suggest(history, at_once, draw_with(seed))
        if not suggestions:
            break
        configs = [dict(suggestion.config) for suggestion in suggestions]
        history.extend([started(first + i, config) for i, config in enumerate(configs)])
        history.extend([result(first + i, config) for i, config in enumerate(configs)])
    return history


def loss(function: Callable[[dict], float]) -> Callable[[int, dict], Event]:
    return lambda number, config: done(number, function(config))


def configs(history: History) -> list[str]:
    return [json.dumps(dict(history.config(number)), sort_keys=True) for number in range(len(history))]


def quadratic(config: dict) -> float:
    return sum((config[f"x{i}"] - 0.3 * i) ** 2 for i in range(3))


def test_it_learns_a_quadratic_better_than_random_search() -> None:
    """Better in at least 9 of 10 paired runs: of a fair coin this has probability 0.011."""
    space = Space({f"x{i}": Float(-2.0, 2.0) for i in range(3)})
    best = {
        make: [np.nanmin(searched(make(), space, 50, loss(quadratic), seed=seed).y) for seed in range(10)]
        for make in (TPE, Random)
    }
    assert sum(np.less(best[TPE], best[Random])) >= 9


def test_it_finds_the_branch_that_is_best() -> None:
    space = Space(
        kind=Categorical(["a", "b", "c"]),
        x=Float(0.0, 1.0, when={"kind": "a"}),
        y=Float(0.0, 1.0, when={"kind": "b"}),
    )

    def value(config: dict) -> float:
        return {"a": 0.5, "b": 0.0, "c": 0.8}[config["kind"]] + abs(config.get("x", config.get("y", 0.0)) - 0.7)

    history = searched(TPE(), space, 60, loss(value))
    late = [history.config(number)["kind"] for number in range(30, 60)]
    assert late.count("b") > 20 and np.nanmin(history.y) < 0.05


def test_suggestions_made_together_are_those_made_one_by_one_with_the_earlier_ones_pending() -> None:
    space = Space(x=Float(0.0, 1.0), n=Int(1, 9), c=Categorical(["p", "q"]))
    history = searched(TPE(), space, 20, loss(lambda config: config["x"]))
    together = TPE().suggest(history, 5, draw_with(1))
    for suggestion in together:
        alone = TPE().suggest(history, 1, draw_with(1))[0]
        assert alone == suggestion
        history.extend([started(len(history), dict(alone.config))])


def test_pending_trials_are_kept_away_from() -> None:
    space = Space(x=Float(0.0, 1.0))
    history = searched(TPE(), space, 40, loss(lambda config: (config["x"] - 0.5) ** 2))
    units = [suggestion.config["x"] for suggestion in TPE().suggest(history, 16, draw_with(1))]
    assert len(set(units)) == 16


def test_a_region_where_trials_fail_is_left() -> None:
    """Of 50 random trials 20 would be in it; fewer than 12 has probability 0.006."""
    space = Space(x=Float(0.0, 1.0))

    def result(number: int, config: dict) -> Event:
        if config["x"] > 0.5:
            return Failed(number, 1, "diverged", "value = nan")
        return done(number, (config["x"] - 0.45) ** 2)

    history = searched(TPE(), space, 100, result)
    assert sum(history.config(number)["x"] > 0.6 for number in range(50, 100)) < 12


def test_all_failed_spreads_over_the_space() -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    history = searched(TPE(), space, 40, lambda number, config: Failed(number, 1, "error", "no"))
    cells = {(int(3 * min(u, 0.999)), int(3 * min(v, 0.999))) for u, v in history.x}
    assert len(cells) == 9


def test_all_equal_is_no_obstacle() -> None:
    space = Space(x=Float(0.0, 1.0), c=Categorical(["p", "q"]))
    history = searched(TPE(), space, 40, loss(lambda config: 1.0))
    assert len(set(configs(history))) == 40


@pytest.mark.parametrize("size", [1e308, 1e-308])
def test_losses_at_the_ends_of_what_a_float_holds_are_no_obstacle(size: float) -> None:
    space = Space(x=Float(0.0, 1.0))
    history = searched(TPE(), space, 30, lambda number, config: done(number, -size if number == 7 else size))
    assert len(history) == 30


@pytest.mark.parametrize(
    ("parameter", "n"),
    [(Float(0.0, 1.0), 30), (Float(1.0, 1.0), 1), (Int(1, 2**62), 30), (Categorical(["a", "b", "c"]), 3)],
)
def test_one_parameter_is_enough(parameter: Float | Int | Categorical, n: int) -> None:
    history = searched(TPE(), Space(x=parameter), 30, lambda number, config: done(number, float(number % 7)))
    assert len(set(configs(history))) == len(history) == n


def test_a_hundred_thousand_choices() -> None:
    space = Space(c=Categorical(list(range(100_000))), x=Float(0.0, 1.0))
    history = searched(TPE(), space, 30, loss(lambda config: config["c"] * config["x"]))
    assert len(set(configs(history))) == 30


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_finite_space_is_tried_to_the_last_configuration_and_never_twice(at_once: int) -> None:
    space = Space(a=Categorical(["p", "q", "r"]), n=Int(1, 4), x=Float(0.0, 1.0, step=0.5, when={"a": "q"}))
    history = searched(TPE(), space, 100, loss(lambda config: config["n"]), at_once=at_once)
    assert len(set(configs(history))) == len(history) == space.size
    assert TPE().suggest(history, 3, draw_with(0)) == []


def test_a_rule_that_leaves_three_configurations() -> None:
    legal = {(1, 1), (20, 30), (50, 50)}
    with pytest.warns(UserWarning, match="reject"):
        space = Space(a=Int(1, 50), b=Int(1, 50), require=lambda c: (c.a, c.b) in legal)
    history = searched(TPE(), space, 10, loss(lambda config: config["a"]))
    assert {(history.config(number)["a"], history.config(number)["b"]) for number in range(len(history))} == legal
    assert len(history) == 3


def test_two_objectives_are_searched_along_their_front() -> None:
    """Minimising x**2 and (x - 1)**2 over [-4, 4]: all of [0, 1] is optimal.

    Of 30 random trials 5 would be near it; 12 and more has probability 0.003.
    """
    space = Space(x=Float(-4.0, 4.0))
    history = history_of(space, [], a=False, b=True)
    for number in range(60):
        x = TPE().suggest(history, 1, draw_with(0))[0].config["x"]
        history.extend([started(number, {"x": x}), Finished(number, 1, 1, {"a": x**2, "b": -((x - 1.0) ** 2)})])
    late = np.array([history.config(number)["x"] for number in range(30, 60)])
    assert np.sum((late > -0.2) & (late < 1.2)) >= 12 and np.ptp(late) > 0.5


def test_the_decision_record_says_what_was_known() -> None:
    space = Space(x=Float(0.0, 1.0))
    history = searched(TPE(), space, 20, loss(lambda config: (config["x"] - 0.5) ** 2))
    history.extend([started(20, {"x": 0.25})])
    decision = TPE().suggest(history, 2, draw_with(0))[1].decision
    assert decision["strategy"] == "tpe" and decision["results"] == 20 and decision["pending"] == 2
    assert decision["best"] == history.best() and decision["model"]["good"] == 3
    distances = [distance for _, distance in decision["nearest"]]
    assert len(distances) == 3 and distances == sorted(distances)


@pytest.mark.parametrize("options", [{"gamma": 0.0}, {"gamma": 1.5}, {"gamma": float("nan")}, {"candidates": 0}])
def test_options_without_sense_are_refused(options: dict) -> None:
    with pytest.raises(StudyError, match=next(iter(options))):
        TPE(**options)
