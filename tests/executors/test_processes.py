"""Workers that crash, hang, take all memory, or are killed; and what is left of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import cloudpickle
import numpy as np
import pytest
import torch

from bench import Bench, job
from cotune.config import Config
from cotune.errors import LeaseLost, StudyError
from cotune.executors.equipment import Enclosing
from cotune.executors.fused import Fused
from cotune.executors.inline import Inline
from cotune.executors.parcel import Parcel
from cotune.executors.processes import Processes, places
from cotune.executors.processes.company import Company
from cotune.executors.processes.memory import checked_limit
from cotune.executors.simulated import Simulated
from cotune.records import (
    Checkpoint,
    Checkpointed,
    Event,
    Failed,
    Finished,
    Job,
    Reached,
    Reclaimed,
    Released,
    Reported,
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.xdist_group("processes")
IMPATIENT = {"each": Inline(checkpoint_s=0.0)}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable]:
    with ExitStack() as stack:

        def make(objective: Callable, **settings: object) -> Bench:
            ours = Bench(Processes(**{"workers": 1, **settings}), objective, tmp_path)
            stack.callback(ours.executor.close)
            return ours

        yield make


def workers(ours: Bench) -> list[int]:
    return [worker.pid for worker in ours.executor._workers]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


# ---------------------------------------------------------------------- crashes

CRASHES = {
    "segmentation fault": (lambda: ctypes.string_at(0), "SIGSEGV"),
    "abort": (os.abort, "SIGABRT"),
    "exit": (lambda: os._exit(3), "exit code 3"),
    "kill": (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
}


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_costs_an_attempt_and_the_third_one_is_the_outcome(made: Callable, how: str) -> None:
    crash, name = CRASHES[how]
    ours = made(lambda trial: crash() if trial.config.x > 0.4 else 1.0)
    assert ours.run(job(0)) == [Reclaimed(0, 1)]
    assert name in ours.notices[0] and "trial 0" in ours.notices[0]
    (failure,) = ours.run(job(0, epoch=2, attempts=2))
    assert isinstance(failure, Failed) and failure.cause == "crash" and name in failure.reason
    assert isinstance(ours.run(job(1, config=Config({"x": 0.1})))[-1], Finished)


def test_a_crash_after_progress_is_the_first_one_again(made: Callable) -> None:
    def train(trial: object) -> None:
        net = torch.nn.Linear(1, 1)
        trial.track(net=net)
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            if epoch == 2:
                os._exit(1)

    ours = made(train, **IMPATIENT)
    *before, last = ours.run(job(0, attempts=2))
    assert last == Reclaimed(0, 1)
    saved = [event for event in before if isinstance(event, Checkpointed)]
    assert [event.step for event in saved] == [1, 2]


def test_a_death_is_noticed_though_a_child_holds_the_pipe(made: Callable) -> None:
    ours = made(lambda trial: (os.system("sleep 30 &"), os.fork() or time.sleep(30), os._exit(1)))
    begun = time.monotonic()
    assert ours.run(job(0)) == [Reclaimed(0, 1)]
    assert time.monotonic() - begun < 10


def test_a_worker_that_ends_before_a_trial_begins_costs_it_nothing(made: Callable) -> None:
    ours = made(lambda trial: 1.0)
    (worker,) = ours.executor._workers
    os.kill(worker.pid, signal.SIGSTOP)
    ours.executor.submit([job(0)])
    ours.executor.wait(0.3, ours.emit)
    assert busy(ours) and ours.events == []
    os.kill(worker.pid, signal.SIGKILL)
    assert until(lambda: ours.executor.wait(0.05, ours.emit) or ours.events)
    assert [type(event) for event in ours.events] == [Released]


class Refusing:
    """An executor that cannot go on."""

    def equip(self, equipment: object) -> Refusing:
        self.slots = 1
        return self

    def submit(self, jobs: Sequence[object]) -> None: ...

    def wait(self, timeout_s: float, emit: Callable) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None: ...


def test_what_is_no_trials_fault_ends_the_search_and_gives_the_trial_back(made: Callable) -> None:
    ours = made(lambda trial: 1.0, each=Refusing())
    ours.executor.submit([job(0)])
    with pytest.raises(StudyError, match=r"(?s)a worker cannot go on.*No space left"):
        assert until(lambda: ours.executor.wait(0.05, ours.emit), 20)
    assert [type(event) for event in ours.events] == [Released]


def test_a_worker_that_is_killed_harms_no_other(made: Callable) -> None:
    ours = made(lambda trial: [time.sleep(0.3), trial.config.x][1], workers=2)
    ours.executor.submit([job(0), job(1)])
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or len(busy(ours)) == 2)
    os.kill(busy(ours)[0].pid, signal.SIGKILL)
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or len(ours.events) == 2)
    assert {type(event) for event in ours.events} == {Reclaimed, Finished}
    assert len(workers(ours)) == 1  # another one is started as soon as there is work for it
    assert isinstance(ours.run(job(2))[-1], Finished)
    assert len(workers(ours)) == 2


def busy(ours: Bench) -> list:
    return [worker for worker in ours.executor._workers if worker.in_hand]


# ---------------------------------------------------------------------- time and memory


def test_a_trial_that_hangs_has_failed_and_the_next_one_trains(made: Callable) -> None:
    ours = made(lambda trial: time.sleep(1000) if trial.config.x > 0.4 else 1.0, trial_timeout=0.5)
    (failure,) = ours.run(job(0))
    assert isinstance(failure, Failed) and failure.cause == "timeout" and "trial_timeout=0.5" in failure.reason
    assert 0.5 <= failure.seconds < 5
    assert isinstance(ours.run(job(1, config=Config({"x": 0.1})))[-1], Finished)


@pytest.mark.parametrize("take", [lambda n: np.ones(n, dtype=np.uint8), lambda n: torch.ones(n, dtype=torch.uint8)])
def test_a_trial_that_takes_too_much_memory_has_failed_and_its_worker_goes_on(made: Callable, take: Callable) -> None:
    ours = made(lambda trial: float(take(int(trial.config.x * 4e9)).sum()), memory_limit="1.2GB")
    before = workers(ours)
    (failure,) = ours.run(job(0))
    assert isinstance(failure, Failed) and failure.cause == "out of memory"
    assert isinstance(ours.run(job(1, config=Config({"x": 0.01})))[-1], Finished)
    assert workers(ours) == before


def test_what_its_children_take_counts_too(made: Callable) -> None:
    greedy = [sys.executable, "-c", "import time; taken = bytearray(b'x') * (4 * 10**8); time.sleep(60)"]
    ours = made(
        lambda trial: sum(child.wait() for child in [subprocess.Popen(greedy) for _ in range(3)]), memory_limit="1.1GB"
    )
    (failure,) = ours.run(job(0))
    assert isinstance(failure, Failed) and failure.cause == "out of memory" and "more than it may" in failure.reason


def test_less_memory_than_a_worker_needs_for_itself_is_told_before_the_first_trial(made: Callable) -> None:
    with pytest.raises(StudyError, match="memory_limit.*Allow more"):
        made(lambda trial: 1.0, memory_limit="20MB")


def test_the_data_lie_in_memory_that_workers_share(made: Callable) -> None:
    data = torch.arange(25_000_000, dtype=torch.float64)  # 200 MB
    halves = data[:12_000_000], data[12_000_000:].numpy()

    def own() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

    def train(trial: object) -> dict:
        before = own()
        sums = [float(part.sum()) for part in (data, *halves)]
        return {"value": sums[0] - sums[1] - sums[2], "first": sums[1], "taken": own() - before}

    (outcome,) = made(train).run(job())
    assert outcome.metrics["value"] == 0.0 and outcome.metrics["first"] == float(halves[0].sum())
    assert outcome.metrics["taken"] < 50e6


def test_parts_of_one_array_are_sent_once_and_in_any_order() -> None:
    numbers = np.arange(1000.0)
    small, large = torch.from_numpy(numbers[:10]), torch.from_numpy(numbers)
    for parts in ([small, large, large[5:].view(5, 199)], [large, small, torch.empty(0)]):
        parcel = Parcel.of(parts)
        opened = parcel.opened()
        assert all(torch.equal(one, other) for one, other in zip(parts, opened, strict=True))
        assert os.fstat(parcel.descriptor).st_size < 2 * numbers.nbytes
        parcel.close()


def test_what_one_worker_writes_into_the_data_no_other_sees(made: Callable) -> None:
    data = torch.zeros(1000)

    def train(trial: object) -> float:
        data[:] += trial.number + 1
        time.sleep(0.3)
        return float(data[0])

    ours = made(train, workers=2)
    ours.executor.submit([job(0), job(1)])
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or len(ours.events) == 2)
    assert {event.number: event.metrics["value"] for event in ours.events} == {0: 1.0, 1: 2.0}
    assert data.sum() == 0


# ---------------------------------------------------------------------- many trials in one worker


def test_of_lanes_that_crash_together_the_culprit_is_found_and_the_others_finish(tmp_path: Path) -> None:
    import cotune as ct
    from cotune.records import State

    def model(config: Config) -> torch.nn.Module:
        if config.name == "h":
            os._exit(9)
        return torch.nn.Linear(64, 10)

    data = torch.randn(64, 64), torch.arange(64) % 10
    task = ct.Task(model=model, data=data, loss=torch.nn.CrossEntropyLoss(), epochs=2, validation=data)
    space = ct.Space(name=list("abcdefgh"), batch_size=[32])
    executor = ct.Processes(workers=1, each=Fused(lanes=8, is_demanded=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "_exit", lambda code: None)  # here the task is only looked at
        study = ct.Study(task, space, path=tmp_path / "study", strategy="grid", scheduler="none", executor=executor)
    with study:
        study.optimize(trials=8, progress=False)
        states = {trial.config.name: trial.state for trial in study.trials}
        (failed,) = [trial for trial in study.trials if trial.failure]
    assert failed.config.name == "h" and failed.failure.cause == "crash"
    assert all(state is State.DONE for name, state in states.items() if name != "h")


class Counting:
    """An executor that says with how many others each of its jobs was handed to it."""

    lanes = 4

    def equip(self, equipment: object) -> Counting:
        self.slots, self.jobs = 4, []
        return self

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs

    def wait(self, timeout_s: float, emit: Callable) -> None:
        emit([Finished(one.number, one.epoch, 1, {"value": float(len(self.jobs))}) for one in self.jobs])
        self.jobs = []

    def close(self) -> None: ...


def test_jobs_that_come_together_are_handed_out_together_and_evenly(made: Callable) -> None:
    ours = made(lambda trial: 1.0, workers=2, each=Counting())
    assert ours.executor.slots == 8
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or all(one.is_ready for one in ours.executor._workers), 20)
    ours.executor.submit([job(number) for number in range(6)])
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or len(ours.events) == 6)
    assert [event.metrics["value"] for event in ours.events] == [3.0] * 6


def test_suspects_are_separated_until_each_is_alone() -> None:
    company = Company()
    assert company.suits(1, [2, 3])
    company.suspect([1, 2, 3, 4])
    assert company.suits(1, [2]) and not company.suits(1, [2, 3]) and not company.suits(1, [9])
    company.suspect([1, 2])
    assert company.suits(1, []) and not company.suits(1, [2])
    company.acquit(1)
    assert company.suits(1, [9])


# ---------------------------------------------------------------------- stopping, and what is left


def test_a_request_to_stop_gives_all_jobs_back_in_time(made: Callable) -> None:
    def train(trial: object) -> None:
        net = torch.nn.Linear(1, 1)
        trial.track(net=net)
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            time.sleep(0.2 if trial.number == 0 else 1000)

    ours = made(train, workers=2)
    ours.executor.submit([job(0, until=1000, steps=1000), job(1), job(2)])
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or {event.number for event in ours.events} == {0, 1})
    ours.interruption.request()
    begun = time.monotonic()
    ours.executor.wait(0.1, ours.emit)
    assert time.monotonic() - begun < 4.4
    assert {event.number for event in ours.events if isinstance(event, Released)} == {0, 1, 2}
    assert any(isinstance(event, Checkpointed) and event.number == 0 for event in ours.events)


def test_a_lost_lease_ends_the_trial_without_a_word(made: Callable) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            (trial.directory / str(epoch)).touch()
            time.sleep(0.05)

    refused = []

    def refuse(events: Sequence[Event]) -> None:
        refused.append(events)
        raise LeaseLost("gone")

    ours = made(train)
    ours.executor.submit([job(0, until=100, steps=100)])
    assert until(lambda: ours.executor.wait(0.01, refuse) or (refused and not busy(ours)))
    assert isinstance(ours.run(job(1))[-1], Finished)
    assert not list(ours.folder.glob("trials/000000/*")) and {event.number for event in ours.events} == {1}


def test_a_lost_lease_lets_the_others_have_their_turn(made: Callable) -> None:
    def emit(events: Sequence[Event]) -> None:
        if any(event.number == 0 for event in events):
            raise LeaseLost("gone")
        ours.emit(events)

    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch))

    ours = made(train, workers=2, ordered=True)
    ours.executor.submit([job(0), job(1), job(2)])
    ends = lambda: [event.number for event in ours.events if isinstance(event, Finished)]  # noqa: E731
    assert until(lambda: ours.executor.wait(0.05, emit) or ends() == [1, 2])


def test_reports_are_in_the_log_within_a_second(made: Callable) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            if epoch == 60:
                time.sleep(2)

    ours = made(train)
    ours.executor.submit([job(0, until=100, steps=100)])
    seen = [event for event in ours.events if isinstance(event, Reported)]
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or last_step(ours) >= 61, 10)
    assert last_step(ours) == 61, seen
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or isinstance(ours.events[-1], Finished), 10)
    assert len([event for event in ours.events if isinstance(event, Reported)]) < 10


def last_step(ours: Bench) -> int:
    return max((event.steps[-1] for event in ours.events if isinstance(event, Reported)), default=0)


def n_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_when_the_executor_is_closed(made: Callable) -> None:
    before, threads = n_descriptors(), threading.active_count()
    sleeper = "import time; time.sleep(1000)"
    ours = made(lambda trial: float(subprocess.Popen([sys.executable, "-c", sleeper]).pid), workers=2)
    (outcome,) = ours.run(job(0))
    left = [*workers(ours), int(outcome.metrics["value"])]
    assert all(map(is_alive, left))
    ours.executor.close()
    assert until(lambda: not any(map(is_alive, left)))
    assert n_descriptors() == before and threading.active_count() == threads


SCRIPT = """
import os, sys, time
import cotune as ct

def train(trial):
    print("pid", os.getpid(), flush=True)
    time.sleep({seconds})
    return trial.config.x

study = ct.Study(train, {{"x": (0.0, 1.0)}}, path={path!r}, minimize="value", strategy="random",
                 executor=ct.Processes(workers=2))
study.optimize(trials={trials}, progress=False)
print("done", len(study.trials))
"""


def test_a_script_needs_no_main_guard_and_its_prints_are_in_the_logs(tmp_path: Path) -> None:
    path, script = tmp_path / "study", tmp_path / "script.py"
    script.write_text(SCRIPT.format(seconds=0.0, path=str(path), trials=4))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and ended.stdout == "done 4\n", ended.stderr
    assert [len((path / "logs" / f"{number:06d}.log").read_text().splitlines()) for number in range(4)] == [1] * 4


def test_it_works_as_in_a_notebook_whose_code_is_in_no_file(tmp_path: Path) -> None:
    code = SCRIPT.format(seconds=0.0, path=str(tmp_path / "study"), trials=3)
    ended = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and ended.stdout == "done 3\n", ended.stderr


def test_workers_and_what_they_started_die_with_their_search(tmp_path: Path) -> None:
    path, script = tmp_path / "study", tmp_path / "script.py"
    child = "import subprocess; print('pid', subprocess.Popen(['sleep', '1000']).pid, flush=True)"
    script.write_text(
        SCRIPT.format(seconds=1000, path=str(path), trials=2).replace("    time.", f"    {child}\n    time.")
    )
    with subprocess.Popen([sys.executable, script]) as search:
        logs = [path / "logs" / f"{number:06d}.log" for number in range(2)]
        assert until(lambda: all(log.exists() and log.read_text().count("\n") == 2 for log in logs), 60)
        pids = [int(line.split()[1]) for log in logs for line in log.read_text().splitlines()]
        assert len(pids) == 4
        assert all(map(is_alive, pids))
        search.kill()
    assert until(lambda: not any(map(is_alive, pids)), 1.0)


# ---------------------------------------------------------------------- what cannot be


def test_functions_of_a_module_that_only_this_process_has_are_sent_by_value(made: Callable) -> None:
    module = sys.modules["made_here"] = ModuleType("made_here")
    exec("def half(x): return x / 2\ndef train(trial): return half(trial.config.x)", module.__dict__)
    try:
        ours = made(module.train)
    finally:
        del sys.modules["made_here"]
    assert ours.run(job())[-1].metrics == {"value": 0.25}
    assert "made_here" not in cloudpickle.list_registry_pickle_by_value()


def test_an_objective_that_cannot_be_sent_is_told_with_what_to_do(made: Callable) -> None:
    lock = threading.Lock()
    with pytest.raises(StudyError, match=r"cannot send this objective.*lock.*inside the function"):
        made(lambda trial: lock.acquire())


class _Unloadable:
    def __call__(self, trial: object) -> float:
        return 1.0

    def __reduce__(self) -> tuple:
        return eval, ("1 / 0",)


def test_an_objective_that_cannot_be_loaded_is_told_with_its_traceback(made: Callable) -> None:
    with pytest.raises(StudyError, match=r"(?s)cannot load.*ZeroDivisionError"):
        made(_Unloadable())


def test_a_worker_that_dies_at_its_start_is_told_with_its_last_words(
    made: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nprint('no licence', flush=True)\nos._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StudyError, match=r"(?s)exit code 7 before it could begin.*no licence"):
        made(lambda trial: 1.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "workers=0"),
        ({"workers": "many"}, "workers='many'"),
        ({"each": "fusd"}, "each='fusd'"),
        ({"each": Inline}, "pass an object: each=Inline()"),
        ({"each": "process"}, "'auto', 'inline'"),
        ({"each": Processes()}, "nests workers in workers"),
        ({"trial_timeout": 0}, "trial_timeout=0"),
        ({"trial_timeout": float("nan")}, "trial_timeout=nan"),
        ({"memory_limit": "lots"}, "memory_limit='lots'"),
        ({"memory_limit": 0}, "memory_limit=0"),
        ({"threads": 1.5}, "threads=1.5"),
        ({"ordered": 1}, "ordered=1"),
        ({"at_once": -1}, "at_once=-1"),
    ],
)
def test_settings_are_checked_when_they_are_made(settings: dict, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        Processes(**settings)
    assert words in str(caught.value)


def test_processes_enclose_what_trains_in_each_of_them_and_nothing_else_does() -> None:
    assert isinstance(Processes(), Enclosing)
    assert not any(isinstance(other, Enclosing) for other in (Inline(), Fused(lanes=2), Simulated()))


@pytest.mark.parametrize(
    ("text", "n"), [("4GB", 4 * 10**9), ("512 MiB", 2**29), ("1.5g", 15 * 10**8), (1000, 1000), ("2kb", 2000)]
)
def test_sizes_are_read_as_people_write_them(text: str | int, n: int) -> None:
    assert checked_limit(text) == n


# ---------------------------------------------------------------------- places


def test_gpus_go_round_and_those_that_are_hidden_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8f")
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places.places(places.n_places(None), 1)] == [
        "3",
        "GPU-8f",
    ]
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places.places(3, 1)] == ["3", "GPU-8f", "3"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert places.visible_gpus() == ["0", "1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert places.visible_gpus() == [] and places.places(1, 1)[0].environment == {}


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "cores", lambda: 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert [places.share_of_threads(n) for n in (1, 3, 32)] == [16, 5, 1]
    assert [place.threads for place in places.places(2, 7)] == [7, 7]
    assert places.n_places(None) == 16


# ---------------------------------------------------------------------- order


def test_ordered_results_come_by_rounds_and_numbers_however_long_they_take(made: Callable) -> None:
    naps = [0.3, 0.0, 0.2, 0.1]
    ours = made(lambda trial: [time.sleep(naps[trial.number]), 1.0][1], workers=2, ordered=True, at_once=4)
    assert ours.executor.slots == 4
    lengths = [2, 1, 2, 1]
    ours.executor.submit([job(number, until=n) for number, n in enumerate(lengths)])
    n_before = 0
    while len(ours.events) < 4:
        ours.executor.wait(5.0, ours.emit)
        assert len(ours.events) <= n_before + 1  # a decision follows each of them
        n_before = len(ours.events)
    assert [event.number for event in ours.events] == [1, 3, 0, 2]


def test_of_ordered_results_those_that_wait_are_given_back_on_request(made: Callable) -> None:
    ours = made(lambda trial: time.sleep(1000) if trial.number == 0 else 1.0, workers=2, ordered=True)
    ours.executor.submit([job(0), job(1)])
    assert until(lambda: ours.executor.wait(0.01, ours.emit) or ours.executor._turns._ends)
    assert ours.events == []
    ours.interruption.request()
    ours.executor.wait(0.1, ours.emit)
    assert {event.number for event in ours.events if isinstance(event, Released)} == {0, 1}


def test_a_paused_trial_goes_on_in_another_worker(made: Callable) -> None:
    def train(trial: object) -> None:
        net = torch.nn.Linear(1, 1)
        trial.track(net=net)
        for _ in trial.epochs():
            with torch.no_grad():
                net.weight += torch.randn(1)
            trial.report(value=net.weight.item())

    def values(events: Sequence[Event]) -> list[float]:
        return [value for event in events if isinstance(event, Reported) for value in event.metrics["value"]]

    ours = made(train)
    whole = values(ours.run(job(3)))
    first = ours.run(job(3, until=2))
    assert isinstance(first[-1], Reached)
    saved = next(event for event in first if isinstance(event, Checkpointed))
    (worker,) = ours.executor._workers
    os.kill(worker.pid, signal.SIGKILL)
    assert until(lambda: worker.has_ended)
    rest = ours.run(job(3, epoch=2, step=2, checkpoint=Checkpoint(saved.step, saved.file, saved.sha256)))
    assert values(first) + values(rest) == whole
