from __future__ import annotations

from builders import history_of, plane, started
from cotune.records import Reached, Resume
from cotune.schedulers import Plain
from cotune.seeds import Purpose, generator


def test_without_early_stopping_a_paused_trial_goes_on_to_the_last_step() -> None:
    history = history_of(plane(), [started(0, {"x": 0.5, "n": 3}, until=1), Reached(0, 1, 1)], steps=9)
    actions = Plain().plan(history, 1, lambda n: [], lambda number: generator(0, Purpose.CHOOSE, number))
    assert actions == [Resume(0, 9)]
