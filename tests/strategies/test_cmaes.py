"""CMA-ES in a study's history: what it reads, what it logs, and that it always has an answer or an end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from builders import done, history_of
from cotune.config import Config
from cotune.errors import StudyError
from cotune.records import Failed, History, Started
from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Float, Int, Prior, Space
from cotune.strategies.cmaes import CmaEs

MIXED = Space(
    a=Float(0.0, 1.0), n=Int(0, 20), kind=Categorical(["p", "q", "r"]), z=Float(0.0, 1.0, when={"kind": ["q", "r"]})
)


def draw(number: int) -> np.random.Generator:
    return generator(0, Purpose.CHOOSE, number)


def mixed(config: Config) -> float:
    return (config.a - 0.3) ** 2 + abs(config.n - 13) / 10 + (config.kind != "q") + (config.get("z", 0.5) - 0.8) ** 2


def start(history: History, strategy: CmaEs) -> int | None:
    """The number of a new trial, logged as a study does; None if the strategy has nothing more."""
    suggestions, number = strategy.suggest(history, 1, draw), len(history)
    if suggestions:
        decision = json.loads(json.dumps(suggestions[0].decision, allow_nan=False))
        history.extend([Started(number, dict(suggestions[0].config), "w", None, decision, 0)])
    return number if suggestions else None


def finish(history: History, number: int, loss: float) -> None:
    failed = Failed(number, 1, "diverged", "value = nan")
    history.extend([done(number, loss) if math.isfinite(loss) else failed])


def searched(
    space: Space, objective: Callable[[Config], float], n: int, strategy: CmaEs | None = None, width: int = 1
) -> History:
    """A history of at most n trials, `width` at a time, whose results come in a random order."""
    history, strategy, open_trials = history_of(space, []), strategy or CmaEs(), list[int]()
    random = np.random.default_rng(0)
    while len(history) < n and (number := start(history, strategy)) is not None:
        open_trials.append(number)
        if len(open_trials) == width:
            number = open_trials.pop(int(random.integers(width)))
            finish(history, number, objective(history.config(number)))
    return history


def assert_fresh_agrees(history: History, strategy: CmaEs) -> None:
    used, fresh = strategy.suggest(history, 3, draw), CmaEs().suggest(history, 3, draw)
    assert [(dict(s.config), s.decision) for s in used] == [(dict(s.config), s.decision) for s in fresh]


@pytest.mark.parametrize("width", [1, 5, 17])
def test_a_mixed_conditional_space_is_searched_with_any_number_of_workers(width: int) -> None:
    losses = searched(MIXED, mixed, 150, width=width).y[:, 0]
    assert np.nanmin(losses) < 0.25 and np.nanmedian(losses[-30:]) < np.nanmedian(losses[:30])


def test_what_it_remembers_is_what_a_cold_process_reads_in_the_log() -> None:
    history, strategy, open_trials = history_of(MIXED, []), CmaEs(), list[int]()
    random = np.random.default_rng(0)
    for place in range(70):
        open_trials.append(start(history, strategy))
        if place % 7 == 0:
            assert_fresh_agrees(history, strategy)
        if len(open_trials) > 4:
            number = open_trials.pop(int(random.integers(5)))
            finish(history, number, math.nan if number % 9 == 0 else mixed(history.config(number)))
            assert place % 7 or assert_fresh_agrees(history, strategy) is None


def test_a_late_result_does_not_change_what_was_told() -> None:
    history, strategy = history_of(MIXED, []), CmaEs()
    late = start(history, strategy)
    for _ in range(40):
        number = start(history, strategy)
        finish(history, number, mixed(history.config(number)))
    told = [history.decision(number)["model"].get("told", []) for number in range(len(history))]
    assert sum(map(len, told)) >= 3 and not any(late in members for some in told for members in some)
    finish(history, late, 0.0)
    assert_fresh_agrees(history, strategy)


def test_each_result_is_told_at_most_once() -> None:
    history = searched(MIXED, mixed, 120, width=6)
    told = [n for t in range(120) for some in history.decision(t)["model"].get("told", []) for n in some]
    assert len(told) == len(set(told)) > 80


def test_trials_of_other_origin_are_learned_from() -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    history, random = history_of(space, []), np.random.default_rng(1)
    for number in range(60):
        config = space.sample(random)
        loss = (config.x - 0.9) ** 2 + (config.y - 0.1) ** 2
        history.extend([Started(number, dict(config), "w", None, {"strategy": "sobol"}, 0), done(number, loss)])
    points = np.array([list(s.config.values()) for s in CmaEs().suggest(history, 20, draw)])
    assert points[:, 0].mean() > 0.6 and points[:, 1].mean() < 0.4


def test_it_begins_at_the_guesses_then_at_the_start_then_in_the_middle() -> None:
    space = Space(
        a=Float(0.0, 1.0, prior=Prior(0.1, spread=0.02)), b=Float(0.0, 1.0), c=Float(0.0, 1.0),
        k=Categorical(list("pqrst"), prior="r"), start=[{"a": 0.5, "b": 0.9}],
    )  # fmt: skip
    configs = [s.config for s in CmaEs(sigma=0.05).suggest(history_of(space, []), 40, draw)]
    means = [np.mean([config[name] for config in configs]) for name in "abc"]
    assert means == pytest.approx([0.1, 0.9, 0.5], abs=0.05)
    assert sum(config.k == "r" for config in configs) > 25


def test_a_run_that_is_stuck_is_followed_by_one_with_twice_the_population() -> None:
    history = searched(Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0)), lambda config: 1.0, 300)
    models = [history.decision(number)["model"] for number in range(300)]
    assert models[-1]["run"] >= 1 and {m["population"] for m in models if m["run"] == 1} == {12}
    alone = searched(Space(x=Float(0.0, 1.0)), lambda config: 1.0, 200, CmaEs(restarts=False))
    assert alone.decision(199)["model"]["run"] == 0


def test_two_objectives_move_towards_the_front() -> None:
    space = Space(x=Float(-1.0, 1.0), y=Float(-1.0, 1.0))
    history, strategy = history_of(space, [], first=False, second=False), CmaEs()
    for _ in range(90):
        number = start(history, strategy)
        x, y = (history.config(number)[name] for name in ("x", "y"))
        metrics = {"first": (x - 0.3) ** 2 + y**2, "second": (x + 0.3) ** 2 + y**2}
        history.extend([type(done(0, 0.0))(number, 1, 1, metrics)])
    assert np.abs([history.config(number)["y"] for number in range(70, 90)]).mean() < 0.2


SPACES = {
    "one parameter": Space(x=Float(0.0, 1.0)),
    "one whole number": Space(n=Int(1, 10**6)),
    "many choices": Space(x=Float(0.0, 1.0), k=Categorical(list(range(100_000)))),
    "only choices": Space(k=Categorical(list("pqrst")), j=Categorical(list("uvw")), i=Categorical([True, False])),
    "wide": Space(n=Int(-(2**63), 2**63 - 1), m=Int(1, 2**50, log=True), c=Float(2.0, 2.0)),
    "mixed": MIXED,
    "many columns": Space({f"x{i}": Float(0.0, 1.0) for i in range(60)}),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("loss", [1.0, math.nan], ids=["all equal", "all failed"])
def test_results_that_say_nothing_are_no_obstacle(space: Space, loss: float) -> None:
    n = 60 if space.dimension < 60 else 40
    history = searched(space, lambda config: loss, n)
    assert len(history) == min(n, space.size or n)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_no_configuration_is_tried_twice(space: Space) -> None:
    history = searched(space, lambda config: hash(tuple(config.values())) % 100, 30)
    assert len({tuple(history.config(number).items()) for number in range(len(history))}) == len(history)


def test_a_rule_that_leaves_three_points_leaves_three_trials() -> None:
    with pytest.warns(UserWarning, match="reject"):
        space = Space(a=Int(0, 9), b=Int(0, 9), require=lambda c: c.a == c.b and c.a < 3)
    assert len(searched(space, lambda config: config.a, 20)) == 3


def test_a_finite_space_ends_when_all_was_tried() -> None:
    space = Space(a=Int(1, 4), k=Categorical(["p", "q"]))
    history = searched(space, lambda config: config.a, 50)
    assert len(history) == 8 and CmaEs().suggest(history, 5, draw) == []


def test_the_decision_record_says_what_it_was_drawn_from() -> None:
    history = searched(MIXED, mixed, 30)
    decision = CmaEs().suggest(history, 1, draw)[0].decision
    assert decision["results"] == 30 and decision["pending"] == 0 and decision["best"] == history.best()
    assert decision["model"]["generation"] > 0 and set(decision["model"]["places"]) >= {"n"}


def test_generations_and_runs_are_counted_from_one_in_words() -> None:
    decision = CmaEs().suggest(history_of(MIXED, []), 1, draw)[0].decision
    assert decision["why"] == "drawn from generation 1 of run 1"


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"sigma": 2.0}, {"population": 2}, {"population": -1}])
def test_a_wrong_option_is_refused_with_its_name_and_value(wrong: dict) -> None:
    with pytest.raises(StudyError, match="CmaEs needs") as caught:
        CmaEs(**wrong)
    assert str(next(iter(wrong.values()))) in str(caught.value) and next(iter(wrong)) in str(caught.value)
