"""Laws 2 and 4 for every scheduler. A new scheduler joins by one line in `SCHEDULERS`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builders import done, history_of, started
from cotune.records import (
    Checkpointed,
    Enqueued,
    Event,
    History,
    Reached,
    Released,
    Reported,
    Resume,
    Start,
    Suggestion,
)
from cotune.schedulers import (
    ASHA,
    PBT,
    ASHAIfItCan,
    Hyperband,
    MedianStopping,
    Plain,
    Race,
    Scheduler,
    SuccessiveHalving,
)
from cotune.seeds import Purpose, generator
from cotune.space import Float, Int, Space

SCHEDULERS: dict[str, Callable[[], Scheduler]] = {
    "none": Plain, "asha": ASHA, "hyperband": Hyperband, "halving": SuccessiveHalving, "median": MedianStopping,
    "race": Race, "asha if it can": ASHAIfItCan, "pbt": PBT,
    "pbt asynchronous": lambda: PBT(population=8, asynchronous=True),
}  # fmt: skip

CONFIG = {"x": 0.5, "n": 3}
SPACE = Space(x=Float(-5.0, 5.0, schedule=True), n=Int(1, 8))


@pytest.fixture(params=SCHEDULERS)
def make(request: pytest.FixtureRequest) -> Callable[[], Scheduler]:
    return SCHEDULERS[request.param]


def draw(number: int) -> object:
    return generator(0, Purpose.CHOOSE, number)


def suggesting(limit: int = 10**9) -> Callable[[int], list[Suggestion]]:
    given = 0

    def suggest(n: int) -> list[Suggestion]:
        nonlocal given
        n = min(n, limit - given)
        given += n
        return [Suggestion(SPACE.sample(draw(i)), {"strategy": "test"}) for i in range(n)]

    return suggest


def reached(number: int, value: float) -> list[Event]:
    """A trial that is at its first milestone."""
    return [started(number, CONFIG, until=1), Reported(number, 1, [1], {"value": [value]}),
            Checkpointed(number, 1, 1, f"{number}-1-1", ""), Reached(number, 1, 1)]  # fmt: skip


def history(events: list[Event], steps: int | None = 9) -> History:
    return history_of(SPACE, events, steps=steps)


def test_no_more_trials_are_given_out_than_there_are_slots(make: Callable[[], Scheduler]) -> None:
    for slots in (1, 2, 5):
        actions = make().plan(history([]), slots, suggesting(), draw)
        assert sum(isinstance(action, Start | Resume) for action in actions) == slots


def test_the_same_history_gives_the_same_plan(make: Callable[[], Scheduler]) -> None:
    events = [*reached(0, 0.5), started(1, CONFIG), done(1, 1.0)]
    assert make().plan(history(events), 3, suggesting(), draw) == make().plan(history(events), 3, suggesting(), draw)


def test_a_waiting_trial_goes_before_a_new_one(make: Callable[[], Scheduler]) -> None:
    actions = make().plan(history([Enqueued(0, CONFIG), started(1, CONFIG), Released(1, 1)]), 2, suggesting(), draw)
    assert [action.number for action in actions if isinstance(action, Resume)] == [0, 1]


def test_a_trial_is_resumed_once_and_never_while_it_runs(make: Callable[[], Scheduler]) -> None:
    events = [started(0, CONFIG, until=1), *reached(1, 0.5)]
    numbers = [a.number for a in make().plan(history(events), 5, suggesting(), draw) if isinstance(a, Resume)]
    assert len(numbers) == len(set(numbers)) and 0 not in numbers


def test_a_milestone_lies_ahead_and_within_the_last_step(make: Callable[[], Scheduler]) -> None:
    events = [event for number in range(4) for event in reached(number, float(number))]
    for action in make().plan(history(events), 5, suggesting(), draw):
        if isinstance(action, Resume):
            assert 1 < action.until <= 9
        if isinstance(action, Start):
            assert 1 <= action.until <= 9


def test_an_unknown_last_step_means_that_the_trial_runs_in_full(make: Callable[[], Scheduler]) -> None:
    assert [a.until for a in make().plan(history([], steps=None), 1, suggesting(), draw)] == [None]


def test_an_exhausted_strategy_leaves_slots_free(make: Callable[[], Scheduler]) -> None:
    assert len(make().plan(history([]), 5, suggesting(limit=2), draw)) == 2


def test_what_a_scheduler_remembers_can_be_forgotten(make: Callable[[], Scheduler]) -> None:
    """Law 2: a scheduler that saw the history grow plans as one that sees it for the first time."""
    old, known = make(), history([])
    for number in range(40):
        fresh = reached(number, abs(number - 17.0))
        for event in fresh:
            known.extend([event])
            old.plan(known, 3, suggesting(), draw)
        again = history([event for n in range(number + 1) for event in reached(n, abs(n - 17.0))])
        assert old.plan(known, 3, suggesting(), draw) == make().plan(again, 3, suggesting(), draw)


def test_equality_is_of_settings_only(make: Callable[[], Scheduler]) -> None:
    used = make()
    used.plan(history(reached(0, 1.0)), 1, suggesting(), draw)
    assert used == make()
