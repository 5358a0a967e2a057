"""Whole searches whose trials train in processes of their own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cloudpickle
import pytest
import torch
from torch.utils.data import TensorDataset

import cotune as ct
from cotune.errors import StudyStopped
from cotune.executors.processes import pool
from cotune.executors.processes.worker import Worker
from cotune.records import State
from study import programs
from study.test_resume import exported

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("processes")]
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.mark.parametrize(("strategy", "scheduler"), [("bayesian", "asha"), ("tpe", "hyperband"), ("random", "none")])
def test_ordered_results_do_not_depend_on_the_number_of_workers(strategy: str, scheduler: str) -> None:
    runs = [
        programs.task_study(strategy, None, scheduler=scheduler, epochs=9, workers=workers).optimize(
            trials=programs.TRIALS, progress=False
        )
        for workers in (1, 3)
    ]
    assert exported(runs[0]) == exported(runs[1])
    assert len(runs[0].trials) == programs.TRIALS


def test_a_trial_has_the_same_bits_in_a_process_of_its_own() -> None:
    inline = programs.task_study("random", None, scheduler="none").optimize(trials=4, progress=False)
    apart = programs.task_study("random", None, scheduler="none", workers=2).optimize(trials=4, progress=False)
    for one, other in zip(inline.trials, apart.trials, strict=True):
        assert (one.config, one.curve, one.metrics) == (other.config, other.curve, other.metrics)
    assert inline.best.test() == apart.best.test()  # the state came back from the worker


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "median"])
def test_budgets_are_exact_whatever_number_of_workers(tmp_path: Path, scheduler: str) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            with (trial.directory / "epochs").open("a") as file:
                file.write(".")
            trial.report(value=trial.config.x + epoch)

    study = ct.Study(
        train, {"x": (0.0, 1.0)}, path=tmp_path, minimize="value", epochs=9, strategy="random",
        scheduler=scheduler, executor=ct.Processes(workers=3),
    )  # fmt: skip
    with study:
        study.optimize(total_epochs=60, progress=False)
        paid, states = study.history.steps_paid, {trial.state for trial in study.trials}
    trained = sum(len(file.read_text()) for file in tmp_path.glob("trials/*/epochs"))
    assert trained <= 60 and paid <= 60 and State.RUNNING not in states
    if scheduler == "asha":
        assert trained == 60


def test_the_budget_of_trials_is_exact(tmp_path: Path) -> None:
    study = ct.Study(
        lambda trial: trial.config.x, {"x": (0.0, 1.0)}, path=tmp_path, strategy="random",
        executor=ct.Processes(workers=3),
    )  # fmt: skip
    with study:
        assert len(study.optimize(trials=7, progress=False).trials) == 7
        assert len(study.optimize(trials=11, progress=False).trials) == 11
        assert {trial.state for trial in study.trials} == {State.DONE}


def test_what_always_fails_stops_the_search_though_workers_are_never_idle() -> None:
    def train(trial: object) -> float:
        time.sleep(0.02)
        raise ValueError("no such layer")

    study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="value", strategy="random", executor=ct.Processes(workers=2))
    with pytest.raises(StudyStopped, match=r"failed alike \(error\): ValueError: no such layer"):
        study.optimize(trials=500, progress=False)
    assert len(study.trials) < 12


def test_a_population_of_processes_copies_states_across_them(tmp_path: Path) -> None:
    study = programs.population_study("random", str(tmp_path), executor="processes")
    with study:
        study.optimize(trials=6, total_epochs=54, progress=False)
        forks = [trial for trial in study.trials if trial.parent]
        assert forks and all(trial.state.is_final or trial.state is State.PAUSED for trial in study.trials)
        assert study.best.schedule.changing


def n_left() -> tuple[int, int, set[str]]:
    """Descriptors, children and shared memory of this process."""
    children = Path("/proc/self/task").glob("*/children")
    shared = {file.name for file in Path("/dev/shm").iterdir()}
    return len(list(Path("/proc/self/fd").iterdir())), sum(len(file.read_text().split()) for file in children), shared


@pytest.mark.parametrize("runs", [3, pytest.param(100, marks=pytest.mark.soak)])
def test_nothing_is_left_of_runs_whose_data_are_read_by_processes(runs: int) -> None:
    data = TensorDataset(torch.randn(64, 4), torch.arange(64) % 2)
    task = ct.Task(
        model=lambda c: torch.nn.Linear(4, 2), data=data, loss=torch.nn.CrossEntropyLoss(), epochs=1, num_workers=2
    )
    space = {"learning_rate": ct.Float(1e-3, 1e-1, log=True), "batch_size": [16]}
    before = None
    for _ in range(runs):
        study = ct.Study(task, space, strategy="random", executor=ct.Processes(workers=2))
        assert {trial.state for trial in study.optimize(trials=2, progress=False).trials} == {State.DONE}
        study.close()
        before = before or n_left()  # what the first one loads stays
    assert n_left() == before


@pytest.mark.parametrize("kills", [6, pytest.param(1000, marks=pytest.mark.soak)])
def test_workers_that_are_killed_lose_nothing_and_leave_nothing_running(tmp_path: Path, kills: int) -> None:
    """Each trial ends once, and one whose worker died is taken up within a second of a free slot."""
    study = ct.Study(
        _slow, {"x": (0.0, 1.0)}, path=tmp_path, minimize="value", strategy="random", executor=ct.Processes(workers=3)
    )
    killer = Killer(tmp_path / "logs", kills)
    killer.start()
    with study:
        while not killer.has_ended:
            study.optimize(trials=len(study.trials) + 10, progress=False)
        killer.join()
        states = Counter(trial.state for trial in study.trials)
        reclaimed = sum(study.history.epoch(trial.number) > 1 for trial in study.trials)
        assert all(trial.metrics["value"] == trial.config.x for trial in study.trials if trial.state is State.DONE)
    assert set(states) <= {State.DONE, State.FAILED} and states[State.FAILED] <= kills // 3
    assert reclaimed >= kills // 2


def _slow(trial: object) -> float:
    time.sleep(0.1)
    return trial.config.x


class Killer(threading.Thread):
    """Kills workers of this process's search, one after the other, while they train."""

    def __init__(self, logs: Path, kills: int) -> None:
        super().__init__(daemon=True)
        self._logs, self._left, self._chance = logs, kills, random.Random(1)

    @property
    def has_ended(self) -> bool:
        return self._left == 0

    def run(self) -> None:
        while self._left:
            time.sleep(self._chance.uniform(0.05, 0.3))
            busy = [pid for pid in self._workers() if self._is_training(pid)]
            if busy:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(busy), signal.SIGKILL)
                    self._left -= 1

    def _workers(self) -> list[int]:
        own = [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]
        return [pid for pid in own if b"cotune.executors.processes" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def _is_training(self, pid: int) -> bool:
        """Whether it prints into a trial's file."""
        with suppress(OSError):
            return Path(f"/proc/{pid}/fd/1").readlink().name not in ("worker-0.log", "worker-1.log", "worker-2.log")
        return False


def test_a_trial_whose_function_keeps_no_state_is_judged_while_it_runs() -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=trial.config.x + epoch / 100, process=float(os.getpid()))
            time.sleep(0.01)

    study = ct.Study(
        train, {"x": (0.0, 1.0)}, minimize="value", epochs=9, strategy="random", scheduler="asha",
        executor=ct.Processes(workers=2),
    )  # fmt: skip
    study.optimize(trials=12, progress=False)
    states = [trial.state for trial in study.trials]
    assert states.count(State.STOPPED) >= 4 and states.count(State.DONE) >= 1
    assert all(len(set(trial.curve["process"])) == 1 for trial in study.trials)
    assert all(study.history.epoch(trial.number) == 1 for trial in study.trials)  # nothing was trained twice
    assert len({value for trial in study.trials for value in trial.curve["process"]}) <= 2  # and nobody replaced


def test_what_trains_in_each_worker_is_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotune.study import engine
    from cotune.training.fused import Verdict

    asked = []

    def measured(
        task: object, kinds: object, *, device: str, most: int, within_s: float, spares_lanes: bool
    ) -> Verdict:  # fmt: skip
        assert not spares_lanes  # the random strategy learns nothing
        asked.append(most)
        return Verdict(3, tuple(range(64)), False, 1.0, 2.0, "said so")

    monkeypatch.setattr(engine, "probe", measured)
    monkeypatch.setattr(engine, "_SHORT_S", 0.0)
    task = ct.Task(
        model=lambda c: torch.nn.Linear(64, 10), data=ct.data.digits(), loss=torch.nn.CrossEntropyLoss(), epochs=2
    )
    space = {"learning_rate": ct.Float(1e-3, 1e-1, log=True), "batch_size": [128]}
    with ct.Study(task, space, path=tmp_path, strategy="random", executor=ct.Processes(workers=2)) as study:
        study.optimize(trials=16, progress=False)
        study.optimize(trials=18, progress=False)
        assert asked == [8] and study.settings["engine"]["lanes"] == 3
        assert {trial.state for trial in study.trials} == {State.DONE}
        assert study.replay(0).is_same


SCRIPT = """
import time, torch
import cotune as ct

def train(trial):
    net = torch.nn.Linear(1, 1)
    trial.track(net=net)
    for epoch in trial.epochs():
        time.sleep(0.1 if trial.number else 1000)
        trial.report(value=trial.config.x + epoch)

study = ct.Study(train, {{"x": (0.0, 1.0)}}, path={path!r}, minimize="value", epochs=1000, strategy="random",
                 scheduler="none", executor=ct.Processes(workers=2, each=ct.Inline(checkpoint_s=0.0)))
study.optimize(trials=4, progress=False)
"""


@pytest.mark.parametrize("kind", ["ordered", "ordered functions"])
def test_ordered_and_interrupted_equals_uninterrupted(tmp_path: Path, kind: str) -> None:
    whole = programs.STUDIES[kind]("bayesian", None).optimize(trials=programs.TRIALS, progress=False)
    path, n_signals, chance = tmp_path / "study", 0, random.Random(3)
    command = [sys.executable, programs.__file__, "run", kind, "bayesian", str(path)]
    while True:
        before = programs._progress(str(path)) if path.exists() else 0
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as search:
            while n_signals < 4 and search.poll() is None:
                if path.exists() and programs._progress(str(path)) > before + 3:
                    time.sleep(chance.uniform(0.0, 0.1))
                    search.send_signal(signal.SIGINT)
                    n_signals += 1
                    break
                time.sleep(0.01)
            code = search.wait(timeout=120)
        if code == 0:
            break
        assert code == 130
    assert n_signals >= 3
    with ct.Study.open(path) as study:
        assert exported(study) == exported(whole)


def test_user_code_may_move_about_and_close_its_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def train(trial: object) -> None:
        net = torch.nn.Linear(1, 1)
        trial.track(net=net)
        os.chdir(tmp_path / "elsewhere")
        if trial.number == 1:
            sys.stdout.close()
        if trial.number == 2:
            sys.stdout = None
        for epoch in trial.epochs():
            trial.report(value=trial.config.x + epoch)
        (trial.directory / "mine").touch()

    study = ct.Study(
        train, {"x": (0.0, 1.0)}, path="study", minimize="value", epochs=2, strategy="random", scheduler="none",
        executor=ct.Processes(workers=1),
    )  # fmt: skip
    with study:
        study.optimize(trials=5, progress=False)
        assert all(trial.state is State.DONE and study.history.epoch(trial.number) == 1 for trial in study.trials)
        assert study.best.state()["net"]
    assert len(list((tmp_path / "study" / "trials").glob("*/mine"))) == 5
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_search_and_its_workers_within_five_seconds(tmp_path: Path, number: int) -> None:
    path, script = tmp_path / "study", tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=str(path)))
    with subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True) as search:
        logs = [path / "checkpoints", path / "logs" / "000000.log"]
        end = time.monotonic() + 60
        while not all(log.exists() for log in logs) and time.monotonic() < end:
            time.sleep(0.02)
        children = Path(f"/proc/{search.pid}/task/{search.pid}/children").read_text().split()
        begun = time.monotonic()
        search.send_signal(number)
        assert search.wait(timeout=10) == 128 + number
        assert time.monotonic() - begun < 5
        assert "Resume with the same line" in search.stderr.read()
    assert len(children) == 3  # two workers, and who outlives the search if it is killed
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    with ct.Study.open(path) as study:
        assert {(trial.state, trial.attempts) for trial in study.trials} == {(State.WAITING, 0)}
        assert study.trials[1].checkpoint is not None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """All workers that are started."""
    found = list[Worker]()

    def counted(*arguments: object) -> Worker:
        found.append(Worker(*arguments))
        return found[-1]

    monkeypatch.setattr(pool, "Worker", counted)
    return found


def test_no_worker_is_started_for_a_search_that_ends(started: list[Worker]) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            if trial.number == 3 and epoch == 1:
                raise KeyboardInterrupt
            trial.report(value=trial.config.x + epoch)
            time.sleep(0.01 if trial.number else 1.5)  # the others have left, and ended, while it is waited for

    study = ct.Study(
        train, {"x": (0.0, 1.0)}, minimize="value", epochs=1000, strategy="random", scheduler="none",
        executor=ct.Processes(workers=4),
    )  # fmt: skip
    with pytest.raises(ct.Interrupted):
        study.optimize(trials=4, progress=False)
    assert len(started) == 4
    assert all(worker.has_ended for worker in started)


def test_no_worker_is_started_when_nothing_is_left_to_do(started: list[Worker]) -> None:
    study = ct.Study(
        lambda trial: time.sleep(1000), {"x": (0.0, 1.0)}, minimize="value", epochs=1, strategy="random",
        scheduler="none", executor=ct.Processes(workers=1, trial_timeout=0.3),
    )  # fmt: skip
    study.optimize(trials=2, progress=False)
    assert [trial.failure.cause for trial in study.trials] == ["timeout"] * 2
    assert len(started) == 2
