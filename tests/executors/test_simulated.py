"""A search on a virtual clock decides what it would have decided on that many workers."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

import cotune as ct
from cotune.errors import Interrupted, StudyError

SLOW = {0: 5.0, 1: 1.0, 2: 2.0, 3: 1.0}


def recorded(trial: object) -> None:
    for epoch in trial.epochs():
        trial.report(value=trial.config.x / (1 + epoch))


def study(executor: object, objective: object = recorded, **options: object) -> ct.Study:
    chosen = {"minimize": "value", "epochs": 9, "strategy": "random", "scheduler": "none", **options}
    return ct.Study(objective, {"x": (0.0, 1.0)}, executor=executor, **chosen)


def test_seconds_in_the_log_are_virtual() -> None:
    begun = time.monotonic()
    slow = ct.Simulated(workers=2, seconds=lambda config, epoch: 1000.0 + epoch)
    assert [trial.seconds for trial in study(slow).optimize(trials=4, progress=False).trials] == [9036.0] * 4
    assert time.monotonic() - begun < 60


def test_results_arrive_by_the_clock_and_at_one_time_by_number() -> None:
    begun: list[int] = []

    def train(trial: object) -> float:
        begun.append(trial.number)
        trial.report(value=1.0)
        return float(trial.number)

    two = study(ct.Simulated(workers=2, seconds=lambda config, epoch: SLOW[len(begun) - 1]), train, epochs=None)
    two.optimize(trials=4, progress=False)
    assert two._log.history.outcomes == [1, 2, 3, 0]  # 1 after 1 s, 2 after 3 s, 3 after 4 s, 0 after 5 s


def test_workers_that_cannot_wait_for_each_other_train_more_to_find_the_same() -> None:
    alone, crowd = (
        study(ct.Simulated(workers=workers), scheduler="asha").optimize(trials=27, progress=False)
        for workers in (1, 27)
    )
    assert [trial.config for trial in alone.trials] == [trial.config for trial in crowd.trials]
    assert alone.best.number == crowd.best.number
    assert all(len(trial.steps) == 1 for trial in crowd.trials if trial.config.x > 0.9)


def test_who_stops_it_can_go_on(tmp_path: Path) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=trial.config.x / (1 + epoch))
            if trial.number == 5 and epoch == 3 and not stopped:
                stopped.append(True)
                raise KeyboardInterrupt

    stopped: list[bool] = []
    with pytest.raises(Interrupted):
        study(ct.Simulated(workers=3), train, path=tmp_path / "study").optimize(trials=9, progress=False)
    whole = study(ct.Simulated(workers=3), train, path=tmp_path / "study").optimize(trials=9, progress=False)
    assert [trial.attempts for trial in whole.trials] == [0] * 9
    assert [trial.metrics["value"] for trial in whole.trials] == [trial.config.x / 9 for trial in whole.trials]


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": 2.5}, {"seconds": 3.0}])
def test_what_is_no_setting_is_refused_by_name(wrong: dict) -> None:
    with pytest.raises(StudyError, match=f"Simulated\\({next(iter(wrong))}="):
        ct.Simulated(**wrong)


class SignalAfterThree:
    """Simulated workers; a signal comes after the third result, before this process decides again."""

    def equip(self, equipment: object) -> SignalAfterThree:
        self.inner = ct.Simulated(workers=3).equip(equipment)
        self.slots, self.submit, self.close, self.n_waits = 3, self.inner.submit, self.inner.close, 0
        return self

    def wait(self, timeout_s: float, emit: object) -> None:
        self.inner.wait(timeout_s, emit)
        self.n_waits += 1
        if self.n_waits == 3:
            signal.raise_signal(signal.SIGINT)


def test_a_signal_between_two_results_costs_no_trial_an_attempt(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        study(SignalAfterThree(), path=tmp_path / "study").optimize(trials=9, progress=False)
    whole = study(ct.Simulated(workers=3), path=tmp_path / "study").optimize(trials=9, progress=False)
    assert len(whole.trials) == 9 and [trial.attempts for trial in whole.trials] == [0] * 9
