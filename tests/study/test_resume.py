"""Law 3: killed and resumed equals uninterrupted, bit for bit; law 6 to 8: nothing is stuck and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import cotune as ct
from cotune.records import State
from study import programs

PROGRAMS = Path(programs.__file__)


def exported(study: ct.Study) -> list[tuple]:
    """Everything of the trials that a clock or a worker's name did not decide, to the last bit."""
    return [
        (
            trial.number,
            dict(trial.config),
            str(trial.state),
            {name: value.hex() for name, value in trial.metrics.items()},
            list(trial.steps),
            {name: [value.hex() for value in values] for name, values in trial.curve.items()},
            dict(trial.decision),
            trial.parent,
        )
        for trial in study.trials
    ]


pytestmark = pytest.mark.usefixtures("one_thread")


STRATEGIES = ("random", "sobol", "grid", "bayesian", "tpe", "cmaes")
KILLED = [
    *[(kind, strategy, 20, 7) for kind in ("task", "loop") for strategy in STRATEGIES],
    ("fused", "random", 6, 7), ("fused", "random", 6, 8), ("fused", "bayesian", 3, 7),
    *[(scheduler, strategy, 20, 7) for scheduler in programs.SCHEDULERS for strategy in ("random", "bayesian")],
    ("pbt", "random", 20, 7), ("pbt", "sobol", 20, 8), ("pbt fused", "random", 3, 7),
    ("pbt asynchronous", "random", 20, 7), ("ordered", "bayesian", 3, 7),
    ("race", "random", 20, 7), ("race fused", "random", 3, 7), ("race fused", "bayesian", 3, 8),
    *[("seldom saved", "tpe", 2, seed) for seed in (7, 8, 9)],  # three kills without a checkpoint would fail a trial
]  # fmt: skip


@pytest.mark.parametrize(("kind", "strategy", "kills", "seed"), KILLED)
def test_a_run_killed_many_times_equals_one_that_was_not(
    kind: str, strategy: str, kills: int, seed: int, tmp_path: Path
) -> None:
    whole = programs.STUDIES[kind](strategy, None).optimize(trials=programs.TRIALS, progress=False)
    command = [sys.executable, PROGRAMS, "killed", kind, strategy, tmp_path / "killed", str(kills), str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    with ct.Study.open(tmp_path / "killed") as resumed:
        assert exported(resumed) == exported(whole)
        assert resumed.best.number == whole.best.number
        assert sum(resumed.history.epoch(trial.number) - 1 for trial in resumed.trials) >= kills // 2


def test_the_resumed_winner_has_the_same_weights(tmp_path: Path) -> None:
    import torch

    whole = programs.task_study("random", None).optimize(trials=4, progress=False)
    for trials in (1, 2, 4):
        resumed = programs.task_study("random", str(tmp_path)).optimize(trials=trials, progress=False)
    assert whole.best.test() == resumed.best.test()
    for ours, theirs in zip(whole.best.model().parameters(), resumed.best.model().parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_trial_that_ends_its_process_three_times_has_failed_and_the_next_one_runs(tmp_path: Path) -> None:
    command = [sys.executable, PROGRAMS, "ending", tmp_path, "4"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["9", "9", "9", "0"], result.stderr
    with ct.Study.open(tmp_path) as study:
        assert [trial.state for trial in study.trials] == [State.DONE, State.FAILED, State.DONE]
        assert study.trials[1].failure.cause == "crash"


@pytest.mark.parametrize("kills", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_kills_of_four_workers_leave_nothing_running_and_lose_nothing_acknowledged(tmp_path: Path, kills: int) -> None:
    command = [sys.executable, PROGRAMS, "killed_workers", tmp_path / "study", tmp_path / "receipt", "4", str(kills)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = [line for file in tmp_path.glob("receipt-*") for line in file.read_text().splitlines()]
    acknowledged = [(int(number), float.fromhex(value)) for number, value in map(str.split, lines)]
    with ct.Study.open(tmp_path / "study") as study:
        trials = list(study.trials)
    assert Counter(trial.state for trial in trials).keys() <= {State.DONE, State.FAILED}
    assert len(acknowledged) > 50
    assert len({number for number, _ in acknowledged}) == len(acknowledged)  # one outcome each
    for number, value in acknowledged:
        assert trials[number].state is State.DONE and trials[number].metrics["value"] == value
    reclaimed = sum(trial.attempts > 0 for trial in trials)
    assert reclaimed > 10
