"""What Bayesian optimisation makes of trials that were not trained to their ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from builders import created
from cotune.records import Event, Failed, Finished, History, Reached, Reported, Resumed, Started, Suggestion
from cotune.seeds import Purpose, generator
from cotune.space import Float, Space
from cotune.strategies.bayesian import BayesianOptimization
from cotune.strategies.bayesian.results import Results

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def draw(number: int) -> np.random.Generator:
    return generator(0, Purpose.CHOOSE, number)


def history(events: Sequence[Event] = ()) -> History:
    made = History(SPACE)
    made.extend([created(SPACE, steps=9), *events])
    return made


def reached(number: int, epoch: int, step: int, value: float) -> list[Event]:
    return [Reported(number, epoch, [step], {"value": [value]}), Reached(number, epoch, step)]


def began(number: int, at: Mapping[str, float] | None = None, why: Mapping[str, object] | None = None) -> Started:
    return Started(number, dict(at or {"x": 0.1 * number, "y": 0.5}), "w", 1, dict(why or {}), 0)


def parts(events: Sequence[Event]) -> tuple[list[int], list[float], bool]:
    results = Results(history(events))
    results.catch_up()
    numbers, losses, _ = results.columns()
    return numbers.tolist(), losses[:, 0].tolist(), results.are_partial


def test_every_part_of_a_training_is_a_result_in_the_order_of_trials_and_steps() -> None:
    events = [
        began(0), *reached(0, 1, 1, 5.0), began(1), *reached(1, 1, 1, 6.0),
        Resumed(0, "w", 2, 3, 0), *reached(0, 2, 3, 4.0), Resumed(0, "w", 3, 9, 0), Finished(0, 3, 9, {"value": 3.0}),
    ]  # fmt: skip
    assert parts(events) == ([0, 0, 0, 1], [5.0, 4.0, 3.0, 6.0], True)


def test_a_trial_that_fails_later_is_bad_in_all_its_parts() -> None:
    numbers, losses, _ = parts([began(0), *reached(0, 1, 1, 5.0), Resumed(0, "w", 2, 3, 0), Failed(0, 2, "crash", "x")])
    assert numbers == [0] and np.isnan(losses).all()


def test_trials_that_were_trained_in_one_go_are_whole() -> None:
    whole = [began(0), Reported(0, 1, [9], {"value": [2.0]}), Finished(0, 1, 9, {"value": 2.0})]
    early = [began(1), Finished(1, 1, 4, {"value": 1.0})]  # it ended by itself
    assert parts([*whole, *early]) == ([0, 1], [2.0, 1.0], False)


def test_a_trial_that_pauses_often_is_heard_at_steps_that_grow_by_half_and_at_its_last() -> None:
    events = [began(0), *reached(0, 1, 1, 1.0)]
    for step in range(2, 9):
        events += [Resumed(0, "w", step, step, 0), *reached(0, step, step, float(step))]
    assert parts(events) == ([0] * 5, [1.0, 2.0, 3.0, 5.0, 8.0], True)


def test_reading_on_gives_the_same_as_reading_all() -> None:
    events = [began(0), *reached(0, 1, 1, 5.0), Resumed(0, "w", 2, 3, 0), *reached(0, 2, 3, 4.0)]
    growing = Results(history())
    for event in events:
        growing.history.extend([event])
        growing.catch_up()
    at_once = Results(history(events))
    at_once.catch_up()
    for here, there in zip(growing.columns(), at_once.columns(), strict=True):
        np.testing.assert_array_equal(here, there)
    assert growing.are_partial == at_once.are_partial


@cache
def searched_once() -> History:
    """Thirty trials one by one; those that are better than all before go on to 9 epochs, which halves their losses."""
    made, strategy, lowest = history(), BayesianOptimization(start=6), math.inf
    for number in range(30):
        [new] = strategy.suggest(made, 1, draw)
        loss = 1.0 + (new.config["x"] - 0.7) ** 2 + (new.config["y"] - 0.2) ** 2
        made.extend([began(number, new.config, new.decision), *reached(number, 1, 1, loss)])
        if loss < lowest:
            lowest = loss
            made.extend([Resumed(number, "w", 2, 9, 0), Finished(number, 2, 9, {"value": loss / 2})])
    return made


def test_suggestions_do_not_gather_around_trials_that_were_trained_longer() -> None:
    """Trial 0, in the middle, is the first that is: the others find what is better after as many epochs."""
    made = searched_once()
    assert np.median(np.abs(made.x[12:] - 0.5).max(axis=1)) > 0.25
    assert np.abs(made.x[12:] - [0.7, 0.2]).max(axis=1).min() < 0.1
    assert {made.decision(number)["why"] for number in range(8, 30)} == {"expected improvement"}
    assert {made.decision(number)["model"]["name"] for number in range(8, 30)} == {"half-rank"}


def test_the_nearest_trials_of_a_record_are_named_once() -> None:
    for number in range(8, 30):
        nearest = [other for other, _ in searched_once().decision(number)["nearest"]]
        assert len(nearest) == len(set(nearest)) == 3


def test_a_strategy_that_begins_in_the_middle_suggests_the_same() -> None:
    """Law 2: its memory can be thrown away."""
    made = searched_once()
    cold: list[Suggestion] = BayesianOptimization(start=6).suggest(made, 2, draw)
    other = history()
    strategy = BayesianOptimization(start=6)
    strategy.suggest(other, 1, draw)
    assert [one.config for one in strategy.suggest(made, 2, draw)] == [one.config for one in cold]
