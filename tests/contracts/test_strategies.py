"""Laws 2, 3 and 8 for every strategy. A new strategy joins by one line in `STRATEGIES`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from builders import done, history_of, started
from cotune.records import Event, Failed, History, Started, Suggestion
from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Float, Int, Space, at_least
from cotune.strategies import Grid, Random, StartsFirst, Strategy
from cotune.strategies.bayesian import BayesianOptimization
from cotune.strategies.cmaes import CmaEs
from cotune.strategies.sobol import Sobol
from cotune.strategies.tpe import TPE

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "cmaes": CmaEs,
    "grid": Grid,
    "random": Random,
    "sobol": Sobol,
    "starts": lambda: StartsFirst(Random()),
    "bayesian": lambda: BayesianOptimization(start=3),
    "tpe": TPE,
}

SPACES: dict[str, Callable[[], Space]] = {
    "one number": lambda: Space(x=Float(0.0, 1.0)),
    "constant": lambda: Space(x=Categorical(["only"])),
    "choices": lambda: Space(a=Categorical(["p", "q", "r"]), b=Categorical([16, 32, 64])),
    "mixed": lambda: Space(lr=Float(1e-5, 1.0, log=True), n=Int(1, 2**40, log=True), kind=Categorical([None, [1, 2]])),
    "conditional": lambda: Space(
        layers=Int(1, 4),
        width=Int(8, 64, when={"layers": at_least(2)}),
        drop=Float(0.0, 0.5, when={"width": at_least(32)}),
    ),
    "rule": lambda: Space(heads=Int(1, 8), hidden=Int(8, 64), require=lambda c: c.hidden % c.heads == 0),
    "starts": lambda: Space(x=Float(0.0, 1.0, default=0.25), y=Float(0.0, 1.0), start=[{"x": 0.5, "y": 0.5}]),
    "finite with a rule": lambda: Space(a=Int(1, 4), b=Int(1, 4), require=lambda c: (c.a + c.b) % 2 == 0),
    "finite with starts": lambda: Space(
        a=Categorical(["p", "q", "r"]), b=Int(1, 3), start=[{"a": "q", "b": 2}, {"a": "r", "b": 1}, {"a": "p", "b": 3}]
    ),
    "rule and starts": lambda: Space(
        heads=Int(1, 8),
        hidden=Int(8, 64),
        require=lambda c: c.hidden % c.heads == 0,
        start=[{"heads": 2, "hidden": 8}, {"heads": 3, "hidden": 63}],
    ),
    "wide": lambda: Space({f"x{i}": Float(-1.0, 1.0) for i in range(6)}),
}


def draw_with(seed: int) -> Callable:
    return lambda number: generator(seed, Purpose.CHOOSE, number)


def plain(suggestions: list[Suggestion]) -> list[tuple]:
    return [(dict(s.config), dict(s.decision), s.task) for s in suggestions]


@pytest.fixture(params=STRATEGIES)
def make(request: pytest.FixtureRequest) -> Callable[[], Strategy]:
    return STRATEGIES[request.param]


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]()


def _good(number: int) -> Event:
    return done(number, float(number))


def grown(make: Callable[[], Strategy], space: Space, n: int, result: Callable[[int], Event] = _good) -> History:
    """A history whose first n trials the strategy itself proposed, one by one."""
    history = history_of(space, [])
    for number in range(n):
        suggestions = make().suggest(history, 1, draw_with(0))
        if not suggestions:
            break
        history.extend([begun(number, suggestions[0]), result(number)])
    return history


def begun(number: int, suggestion: Suggestion) -> Event:
    """A trial of what was suggested, with its decision record."""
    return Started(number, dict(suggestion.config), "w", None, dict(suggestion.decision), 0)


def test_suggestions_belong_to_the_space(make: Callable[[], Strategy], space: Space) -> None:
    for suggestion in make().suggest(history_of(space, []), 12, draw_with(0)):
        assert space.check(suggestion.config) == suggestion.config and space.allows(suggestion.config)


def test_the_same_history_and_generators_give_the_same_suggestions(make: Callable[[], Strategy], space: Space) -> None:
    history = grown(make, space, 5)
    assert plain(make().suggest(history, 4, draw_with(3))) == plain(make().suggest(history, 4, draw_with(3)))


@pytest.mark.parametrize("n_trials", [0, 1, 6])
def test_suggestions_at_once_are_those_asked_for_one_by_one(
    make: Callable[[], Strategy], space: Space, n_trials: int
) -> None:
    """Where the earlier ones are pending; the space's starting points first, as in every study."""

    def make_whole() -> Strategy:
        return StartsFirst(make())

    history = grown(make_whole, space, n_trials)
    at_once = {n: plain(make_whole().suggest(history, n, draw_with(0))) for n in (2, 3, 6)}
    one_by_one: list[Suggestion] = []
    while len(one_by_one) < 6 and (suggestions := make_whole().suggest(history, 1, draw_with(0))):
        history.extend([begun(len(history), suggestions[0])])
        one_by_one += suggestions
    assert at_once == {n: plain(one_by_one[:n]) for n in at_once}


def test_a_strategy_that_remembers_says_what_a_fresh_one_says(make: Callable[[], Strategy], space: Space) -> None:
    """Clearing the cache changes nothing, whatever the strategy was asked before."""
    used, history = make(), history_of(space, [])
    used.suggest(grown(make, space, 9), 3, draw_with(0))
    for number in range(8):
        suggestions = used.suggest(history, 2, draw_with(0))
        assert plain(suggestions) == plain(make().suggest(history, 2, draw_with(0)))
        if not suggestions:
            break
        history.extend([begun(number, suggestions[0]), done(number, 1.0)])


def test_a_history_cut_off_and_folded_again_gives_the_same_next_suggestion(
    make: Callable[[], Strategy], space: Space
) -> None:
    """Killed and resumed equals uninterrupted, as far as choosing goes."""
    strategy, history = make(), history_of(space, [])
    events: list[Event] = []
    for number in range(8):
        suggestions = strategy.suggest(history, 1, draw_with(0))
        again = history_of(space, events)
        assert plain(make().suggest(again, 1, draw_with(0))) == plain(suggestions)
        if not suggestions:
            break
        events += [begun(number, suggestions[0]), _good(number)]
        history.extend(events[-2:])


def test_failed_and_pending_trials_are_no_obstacle(make: Callable[[], Strategy], space: Space) -> None:
    failed = grown(make, space, 4, lambda number: Failed(number, 1, "diverged", "value = nan"))
    make().suggest(failed, 3, draw_with(0))
    pending = history_of(space, [started(0, dict(space.sample(generator(0, Purpose.CHOOSE))))])
    make().suggest(pending, 3, draw_with(0))


def test_every_suggestion_says_where_it_comes_from_in_strict_json(make: Callable[[], Strategy], space: Space) -> None:
    for suggestion in make().suggest(history_of(space, []), 3, draw_with(0)):
        assert suggestion.decision["strategy"]
        assert json.loads(json.dumps(suggestion.decision, allow_nan=False)) == suggestion.decision


@pytest.mark.parametrize("width", [1, 4])
def test_a_finite_space_is_proposed_whole_without_repeats_and_then_ends(
    make: Callable[[], Strategy], width: int
) -> None:
    history, strategy = history_of(SPACES["choices"](), []), make()
    while suggestions := strategy.suggest(history, width, draw_with(0)):
        for suggestion in suggestions:
            number = len(history)
            history.extend([begun(number, suggestion), _good(number)])
    assert len(history) == 9 == len({json.dumps(dict(history.config(number))) for number in range(9)})


def test_a_failed_trial_is_not_counted_among_the_results(make: Callable[[], Strategy]) -> None:
    def result(number: int) -> Event:
        return Failed(number, 1, "diverged", "value = nan") if number % 2 else _good(number)

    suggestions = make().suggest(grown(make, SPACES["conditional"](), 5, result), 2, draw_with(0))
    assert [(s.decision["results"], s.decision["pending"]) for s in suggestions] == [(3, 0), (3, 1)]


def test_suggesting_touches_no_global_generator(make: Callable[[], Strategy], space: Space) -> None:
    import random

    import numpy as np
    import torch

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    make().suggest(history_of(space, []), 3, draw_with(0))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after
