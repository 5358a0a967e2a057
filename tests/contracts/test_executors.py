"""Laws 3, 4, 5, 7 and 8 for every executor. A new executor joins by one line in `EXECUTORS`."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch

from bench import Bench, job
from cotune.config import Config
from cotune.errors import Interrupted, LeaseLost, Paused
from cotune.executors.equipment import Equippable
from cotune.executors.inline import Inline
from cotune.executors.processes import Processes
from cotune.executors.simulated import Simulated
from cotune.records import Checkpoint, Checkpointed, Event, Failed, Finished, Reached, Released, Reported

cloudpickle.register_pickle_by_value(sys.modules[__name__])
EXECUTORS: dict[str, Callable[[], Equippable]] = {
    "inline": lambda: Inline(checkpoint_s=1e9),
    "simulated": Simulated,
    "processes": lambda: Processes(workers=1, each=Inline(checkpoint_s=1e9)),
}
IN_THIS_PROCESS = [name for name in EXECUTORS if name != "processes"]
ON_A_REAL_CLOCK = [name for name in IN_THIS_PROCESS if name != "simulated"]


@pytest.fixture(params=EXECUTORS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Callable], Bench]]:
    with ExitStack() as stack:

        def made(objective: Callable) -> Bench:
            ours = Bench(EXECUTORS[request.param](), objective, tmp_path)
            stack.callback(ours.executor.close)
            return ours

        yield made


def noisy(trial: object) -> None:
    """A loop that draws from every global generator, and continues from its tracked state."""
    net = torch.nn.Linear(1, 1)
    own = torch.Generator().manual_seed(3)
    trial.track(net=net, own=own)
    for _ in trial.epochs():
        with torch.no_grad():
            net.weight += torch.randn(1) + random.random() + np.random.rand() + torch.rand(1, generator=own)  # noqa: NPY002
        trial.report(value=net.weight.item())


def curve(events: Sequence[Event]) -> dict[int, float]:
    points: dict[int, float] = {}
    for event in events:
        if isinstance(event, Reported):
            points |= dict(zip(event.steps, event.metrics["value"], strict=True))
    return points


def test_a_returned_number_is_the_outcome(bench: Callable) -> None:
    (outcome,) = bench(lambda trial: trial.config.x * 2).run(job())
    assert isinstance(outcome, Finished) and outcome.metrics == {"value": 1.0}


@pytest.mark.parametrize("result", [np.float32(0.5), torch.tensor(0.5), np.array(0.5), 1, np.int64(3)])
def test_numbers_of_every_library_are_numbers(bench: Callable, result: object) -> None:
    (outcome,) = bench(lambda trial: result).run(job())
    assert isinstance(outcome, Finished) and outcome.metrics["value"] == float(result)


def test_reported_metrics_of_the_last_step_are_the_outcome(bench: Callable) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch), extra=epoch**2)

    *_, outcome = bench(train).run(job())
    assert outcome.metrics == {"value": 3.0, "extra": 9.0} and outcome.step == 4


def test_a_returned_mapping_is_added_to_what_was_reported(bench: Callable) -> None:
    def train(trial: object) -> dict:
        trial.report(loss=2.0)
        return {"value": 1.0, "size": 3}

    *_, outcome = bench(train).run(job(until=None, steps=None))
    assert outcome.metrics == {"loss": 2.0, "value": 1.0, "size": 3.0}


def _raise(error: BaseException) -> Callable:
    def objective(trial: object) -> None:
        raise error

    return objective


def _recurse(trial: object) -> float:
    return _recurse(trial)


def _report_twice(trial: object) -> None:
    for _ in trial.epochs():
        trial.report(value=1.0)
        trial.report(value=2.0)


class _Unprintable(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


BAD_OBJECTIVES: dict[str, tuple[Callable, str]] = {
    "exception": (_raise(ValueError("no")), "error"),
    "memory": (_raise(MemoryError("none left")), "out of memory"),
    "cuda memory": (_raise(torch.OutOfMemoryError("CUDA out of memory")), "out of memory"),
    "recursion": (_recurse, "error"),
    "sys.exit": (_raise(SystemExit(3)), "exit"),
    "assertion": (_raise(AssertionError()), "error"),
    "stop iteration": (_raise(StopIteration()), "error"),
    "base exception": (_raise(GeneratorExit()), "error"),
    "own lease error": (_raise(LeaseLost("of another study")), "error"),
    "own pause": (_raise(Paused()), "error"),
    "exception without words": (_raise(_Unprintable()), "error"),
    "value without words": (lambda trial: _Unprintable(), "wrong result"),
    "track a number": (lambda trial: trial.track(step=3), "error"),
    "nan": (lambda trial: math.nan, "diverged"),
    "inf": (lambda trial: math.inf, "diverged"),
    "none": (lambda trial: None, "no result"),
    "text": (lambda trial: "0.5", "wrong result"),
    "list": (lambda trial: [0.5, 1.0], "wrong result"),
    "array": (lambda trial: np.zeros(2), "wrong result"),
    "complex": (lambda trial: 1j, "wrong result"),
    "bool": (lambda trial: True, "wrong result"),
    "huge": (lambda trial: 10**400, "wrong result"),
    "other metric": (lambda trial: {"loss": 1.0}, "no result"),
    "text in mapping": (lambda trial: {"value": "a"}, "wrong result"),
    "report text": (lambda trial: trial.report(value="a"), "wrong result"),
    "report nothing": (lambda trial: trial.report(), "wrong result"),
    "report twice": (_report_twice, "wrong result"),
    "no such parameter": (lambda trial: trial.config.hiden, "error"),
}


def _behave(trial: object) -> object:
    return BAD_OBJECTIVES[trial.config.bad][0](trial) if "bad" in trial.config else 1.0


@pytest.fixture(params=EXECUTORS, scope="module")
def warm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    ours = Bench(EXECUTORS[request.param](), _behave, tmp_path_factory.mktemp("study"))
    yield ours
    ours.executor.close()


@pytest.mark.parametrize("name", BAD_OBJECTIVES)
def test_a_bad_objective_is_a_typed_failure_and_the_next_trial_runs(warm: Bench, name: str) -> None:
    failure = warm.run(job(0, config=Config({"bad": name})))[-1]
    assert isinstance(failure, Failed) and failure.cause == BAD_OBJECTIVES[name][1] and failure.reason
    assert isinstance(warm.run(job(1))[-1], Finished)


def test_the_traceback_of_a_failure_shows_the_users_frames_only(bench: Callable) -> None:
    (failure,) = bench(_raise(ValueError("my own words"))).run(job())
    assert "ValueError: my own words" in failure.traceback and "test_executors.py" in failure.traceback
    assert "inline.py" not in failure.traceback


def test_a_trial_cut_at_any_milestone_equals_one_that_was_not(bench: Callable) -> None:
    whole = curve(bench(noisy).run(job()))
    assert sorted(whole) == [1, 2, 3, 4]
    for cut in (1, 2, 3):
        ours = bench(noisy)
        first = ours.run(job(until=cut))
        assert isinstance(first[-1], Reached) and first[-1].step == cut
        saved = next(event for event in first if isinstance(event, Checkpointed))
        checkpoint = Checkpoint(saved.step, saved.file, saved.sha256)
        rest = ours.run(job(step=cut, epoch=2, checkpoint=checkpoint))
        assert curve(first) | curve(rest) == whole


def test_a_trial_that_had_only_its_outcome_left_ends_with_what_it_had_reported(bench: Callable) -> None:
    ours = bench(noisy)
    saved = next(event for event in ours.run(job()) if isinstance(event, Checkpointed))
    checkpoint = Checkpoint(saved.step, saved.file, saved.sha256)
    again = ours.run(job(step=4, epoch=2, checkpoint=checkpoint, reported={"value": 2.5}))
    assert isinstance(again[-1], Finished) and again[-1].metrics == {"value": 2.5}


def test_a_trials_result_does_not_depend_on_what_ran_before(bench: Callable) -> None:
    alone = curve(bench(noisy).run(job(1)))
    ours = bench(noisy)
    ours.run(job(0), job(5))
    assert curve(ours.run(job(1))) == alone


def test_a_trials_result_does_not_depend_on_the_callers_generators(bench: Callable) -> None:
    curves = []
    for seed in (1, 2):
        torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)  # noqa: NPY002
        curves.append(curve(bench(noisy).run(job())))
    assert curves[0] == curves[1]


def test_two_trials_draw_differently(bench: Callable) -> None:
    ours = bench(noisy)
    assert curve(ours.run(job(0))) != curve(ours.run(job(1)))


def test_global_generators_are_left_as_they_were(bench: Callable) -> None:
    def state() -> tuple:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = state()
    bench(noisy).run(job())
    bench(_raise(ValueError())).run(job())
    assert state() == before


def test_user_code_cannot_swallow_a_pause(bench: Callable) -> None:
    def train(trial: object) -> float:
        try:
            for _ in trial.epochs():
                trial.report(value=1.0)
        except Exception:  # noqa: BLE001
            return -1.0
        return 5.0

    assert isinstance(bench(train).run(job(until=2))[-1], Reached)


@pytest.mark.parametrize("bench", IN_THIS_PROCESS, indirect=True)
def test_a_request_to_stop_ends_the_trial_at_its_epochs_end_with_a_checkpoint(bench: Callable) -> None:
    def train(trial: object) -> None:
        net = torch.nn.Linear(1, 1)
        trial.track(net=net)
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            if epoch == 1:
                ours.interruption.request()

    ours = bench(train)
    events = ours.run(job())
    assert [type(event) for event in events[-2:]] == [Checkpointed, Released] and events[-2].step == 2


def test_a_signal_that_ended_a_search_inside_the_function_ends_the_outer_one_alike(bench: Callable) -> None:
    ours = bench(_raise(Interrupted(143)))
    assert isinstance(ours.run(job())[-1], Released)
    assert ours.interruption.is_requested and ours.interruption.signal == 15


@pytest.mark.parametrize("bench", IN_THIS_PROCESS, indirect=True)
def test_a_report_says_when_to_leave(bench: Callable) -> None:
    answers = []

    def train(trial: object) -> float:
        answers.append(trial.report(value=1.0))
        ours.interruption.request()
        answers.append(trial.report(value=1.0))
        return 1.0

    ours = bench(train)
    ours.run(job(until=None, steps=None))
    assert answers == [True, False]


@pytest.mark.parametrize("bench", IN_THIS_PROCESS, indirect=True)
def test_what_a_function_returns_after_it_was_told_to_leave_is_no_result(bench: Callable) -> None:
    def train(trial: object) -> float:
        ours.interruption.request()
        return 1.0 if trial.report(value=9.0) else 9.0

    ours = bench(train)
    assert isinstance(ours.run(job(until=None, steps=None))[-1], Released)
    ours = bench(lambda trial: [trial.report(value=float(i)) for i in range(2)][-1] or 5.0)
    assert isinstance(ours.run(job(until=2))[-1], Reached)


def test_a_damaged_checkpoint_means_that_the_trial_begins_again(bench: Callable) -> None:
    whole = curve(bench(noisy).run(job()))
    gone = Checkpoint(2, "gone.safetensors", "0" * 64)
    again = bench(noisy).run(job(step=2, checkpoint=gone, reported={"value": 3.0}))
    assert curve(again) == whole


def test_tracking_other_names_than_before_is_an_error_that_names_them(bench: Callable) -> None:
    def train(trial: object) -> None:
        trial.track(**{("net" if trial.step == 0 else "network"): torch.nn.Linear(1, 1)})
        for _ in trial.epochs():
            trial.report(value=1.0)

    ours = bench(train)
    saved = next(event for event in ours.run(job(until=2)) if isinstance(event, Checkpointed))
    (failure,) = ours.run(job(step=2, checkpoint=Checkpoint(saved.step, saved.file, saved.sha256)))
    assert "'network'" in failure.reason and "net" in failure.reason


@pytest.mark.parametrize("bench", ON_A_REAL_CLOCK, indirect=True)
def test_a_lost_lease_ends_the_trial_without_a_word(bench: Callable) -> None:
    reached = []

    def train(trial: object) -> None:
        for epoch in trial.epochs():
            reached.append(epoch)
            trial.report(value=1.0)
            time.sleep(0.02)

    def refuse(events: Sequence[Event]) -> None:
        raise LeaseLost("gone")

    ours = bench(train)
    ours.executor.submit([job()])
    ours.executor.wait(0.1, refuse)
    assert reached == [0] and ours.events == []


@pytest.mark.parametrize("bench", ON_A_REAL_CLOCK, indirect=True)
def test_reports_in_quick_succession_are_logged_together_and_within_a_second(bench: Callable) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            if epoch == 60:
                time.sleep(1.3)
                logged.append(max(curve(ours.events)))

    logged: list[int] = []
    ours = bench(train)
    events = ours.run(job(until=100, steps=100))
    assert logged == [61]
    assert len([event for event in events if isinstance(event, Reported)]) < 10
    assert curve(events) == {step + 1: float(step) for step in range(100)}


def test_a_trials_folder_is_its_own(bench: Callable) -> None:
    ours = bench(lambda trial: trial.directory.joinpath("mine").write_text(str(trial.number)))
    ours.run(job(0), job(12))
    assert sorted(file.read_text() for file in ours.folder.glob("trials/*/mine")) == ["0", "12"]


def test_breaking_out_of_the_loop_counts_as_the_end(bench: Callable) -> None:
    def train(trial: object) -> None:
        for epoch in trial.epochs():
            trial.report(value=float(epoch))
            if epoch == 1:
                break

    outcome = bench(train).run(job())[-1]
    assert isinstance(outcome, Finished) and outcome.metrics == {"value": 1.0} and outcome.step == 2


def test_what_cannot_be_tracked_is_named(bench: Callable) -> None:
    (failure,) = bench(lambda trial: trial.track(counter=3)).run(job())
    assert "trial.track(counter=...)" in failure.reason and "got int" in failure.reason


def test_paused_is_no_exception() -> None:
    assert not issubclass(Paused, Exception)
