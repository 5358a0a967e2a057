"""Trials side by side: the same results in any company, and what goes wrong stays where it happens."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._C._functorch import get_unwrapped

import cotune as ct
from cotune.errors import Interrupted, StudyError
from cotune.records import Action, History, Resume, Start, State
from cotune.study import engine
from cotune.training.fused import Verdict, kinds
from cotune.training.fused.escape import is_of_lanes
from cotune.training.fused.ticks import Phase

SPACE = {"learning_rate": ct.Float(1e-3, 1e-1, log=True), "dropout": ct.Float(0.0, 0.5), "epochs": ct.Int(1, 3)}


probe = sys.modules[Verdict.__module__]  # the package has a function of that name

pytestmark = pytest.mark.usefixtures("one_thread")


class Net(nn.Module):
    """Calls `before` at the beginning of every forward pass."""

    def __init__(self, dropout: float, before: Callable[[Tensor], object] | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 10))
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        if self.before is not None:
            self.before(x)
        return self.layers(x)


def digits_task(model: Callable = lambda c: Net(c.dropout), **options: object) -> ct.Task:
    x, y = ct.data.digits()
    chosen = {
        "data": (x[:400], y[:400]),
        "loss": nn.CrossEntropyLoss(),
        "metrics": ["accuracy"],
        "epochs": 3,
        **options,
    }
    return ct.Task(model=model, **chosen)


def study(task: ct.Task, *, executor: object = "fused", path: Path | None = None, **space: object) -> ct.Study:
    return ct.Study(task, {**SPACE, **space}, strategy="random", seed=3, executor=executor, path=path)


def results(searched: ct.Study) -> list[tuple]:
    return [(dict(t.config), str(t.state), {n: v.hex() for n, v in t.metrics.items()}) for t in searched.trials]


def test_a_trials_result_does_not_depend_on_the_number_of_lanes() -> None:
    two, five, many = (
        results(study(digits_task(), executor=ct.Fused(lanes=n)).optimize(trials=9, progress=False)) for n in (1, 5, 32)
    )
    assert two == five == many
    assert len({accuracy for _, _, metrics in two for accuracy in metrics.values()}) > 5


def test_separate_training_gives_the_same_up_to_rounding() -> None:
    x, y = ct.data.digits()
    task = digits_task(data=(x[:400].double(), y[:400]), model=lambda c: Net(c.dropout).double())
    fused, inline = (study(task, executor=name).optimize(trials=6, progress=False) for name in ("fused", "inline"))
    for ours, theirs in zip(fused.trials, inline.trials, strict=True):
        assert ours.config == theirs.config and ours.metrics.keys() == theirs.metrics.keys()
        assert all(math.isclose(ours.metrics[n], theirs.metrics[n], rel_tol=1e-9) for n in ours.metrics)


def test_the_winners_model_is_an_ordinary_one() -> None:
    searched = study(digits_task(test=0.2)).optimize(trials=6, progress=False)
    model = searched.best.model()
    assert all(parameter.is_contiguous() for parameter in model.parameters())
    assert searched.best.test()["accuracy"] == pytest.approx(searched.best.value, abs=0.3)


def wild_sgd(parameters: Iterator[nn.Parameter], config: ct.Config) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=config.learning_rate * (1e38 if config.dropout > 0.3 else 1))


def test_a_diverging_lane_fails_alone() -> None:
    calm = study(digits_task()).optimize(trials=6, progress=False)
    wild = study(digits_task(optimizer=wild_sgd))
    wild.optimize(trials=6, progress=False)
    states = [trial.state for trial in wild.trials]
    assert State.FAILED in states and State.DONE in states
    assert all(trial.failure.cause == "diverged" for trial in wild.trials if trial.failure)
    assert [trial.config for trial in wild.trials] == [trial.config for trial in calm.trials]


def test_a_metric_that_raises_on_one_model_fails_that_trial_alone() -> None:
    def measure(output: Tensor, target: Tensor) -> float:
        score = float((output.argmax(-1) == target).double().mean())
        if picky and score > 0.7:
            raise ArithmeticError("too good to be true")
        return score

    def search() -> list[tuple]:
        task = digits_task(metrics=[measure])
        searched = ct.Study(task, SPACE, maximize="measure", strategy="random", seed=3, executor=ct.Fused(lanes=8))
        return results(searched.optimize(trials=8, progress=False))

    picky = False
    calm = search()
    picky = True
    strict = search()
    kept = [(a, b) for a, b in zip(calm, strict, strict=True) if b[1] == "done"]
    assert 0 < len(kept) < 8 and all(a == b for a, b in kept)


def test_a_few_failures_among_many_lanes_do_not_end_the_study() -> None:
    def build(config: ct.Config) -> nn.Module:
        if config.epochs == 3:
            raise ValueError("too many of them")
        return Net(config.dropout)

    searched = study(digits_task(model=build), executor=ct.Fused(lanes=12)).optimize(trials=12, progress=False)
    assert sum(trial.state is State.FAILED for trial in searched.trials) >= 3
    assert all(trial.state is not State.RUNNING for trial in searched.trials)


def test_an_interruption_while_a_model_is_built_loses_no_trial(tmp_path: Path) -> None:
    interrupted = []

    def build(config: ct.Config) -> nn.Module:
        if len(interrupted) == 10:
            interrupted.append(1)
            raise KeyboardInterrupt
        interrupted.append(1)
        return Net(config.dropout)

    with pytest.raises(Interrupted):
        study(digits_task(model=build), path=tmp_path).optimize(trials=6, progress=False)
    again = study(digits_task(model=build), path=tmp_path).optimize(trials=6, progress=False)
    assert [trial.state for trial in again.trials] == [State.DONE] * 6


@pytest.mark.parametrize("executor", ["auto", ct.Fused(lanes=4)])
def test_a_builder_that_knows_its_own_batch_sizes_only_is_fused_without_cutting(executor: object) -> None:
    widths = {16: 6, 64: 12}
    task = digits_task(
        model=lambda c: nn.Sequential(nn.Linear(64, widths[c.batch_size]), nn.Linear(widths[c.batch_size], 10))
    )
    space = {"learning_rate": (1e-3, 1e-1), "batch_size": [16, 64]}
    searched = ct.Study(task, space, strategy="random", seed=1, executor=executor).optimize(trials=16, progress=False)
    assert all(trial.state is State.DONE for trial in searched.trials)


def test_a_model_that_cannot_be_built_fails_alone() -> None:
    def build(config: ct.Config) -> nn.Module:
        if config.epochs == 3:
            raise ValueError("too many of them")
        return Net(config.dropout)

    searched = study(digits_task(model=build)).optimize(trials=8, progress=False)
    failed = [trial for trial in searched.trials if trial.state is State.FAILED]
    assert failed and all("too many of them" in trial.failure.reason for trial in failed)
    assert all(trial.config.epochs == 3 for trial in failed) and len(failed) < 8


def branching(x: Tensor) -> None:
    if x.sum() > 0:
        pass


def test_what_cannot_be_fused_is_an_error_where_fusing_was_demanded() -> None:
    searched = study(digits_task(model=lambda c: Net(c.dropout, branching)))
    with pytest.raises(StudyError, match=r"cannot fuse Net: branching line \d+ of test_fused_study.py branches on a"):
        searched.optimize(trials=2, progress=False)
    assert not len(searched.trials)


def test_a_trial_that_turns_out_not_to_be_fusable_is_given_back() -> None:
    def build(config: ct.Config) -> nn.Module:
        return Net(config.dropout, branching if config.epochs == 3 else None)  # no example has three

    searched = study(digits_task(model=build))
    with pytest.raises(StudyError, match="cannot fuse Net"):
        searched.optimize(trials=9, progress=False)
    assert {trial.state for trial in searched.trials} <= {State.WAITING, State.DONE}


def test_what_cannot_be_fused_is_trained_by_itself_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    task = digits_task(model=lambda c: Net(c.dropout, branching))
    alone = ct.Fused(lanes=4, is_demanded=False)
    searched = study(task, executor=alone).optimize(trials=5, progress=True)
    assert results(searched) == results(study(task, executor="inline").optimize(trials=5, progress=False))
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot fuse Net" in line]
    assert len(said) == 1 and "if x.sum() > 0:" in said[0] and said[0].endswith("running its trials separately")


class Failing:
    """Raises an error in one pass of lanes."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.left, self.error = at, error

    def __call__(self, x: Tensor) -> None:
        if is_of_lanes(x) and x.dtype == torch.float32:
            self.left -= 1
            if self.left == 0:
                raise self.error

    def __deepcopy__(self, _memo: object) -> Failing:
        return self


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("just once")])
def test_a_pass_that_fails_once_costs_no_trial(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    failing = Failing(12, error)
    searched = study(digits_task(model=lambda c: Net(c.dropout, failing)), executor=ct.Fused(lanes=8))
    searched.optimize(trials=8, progress=True)
    assert all(trial.state is State.DONE for trial in searched.trials) and failing.left <= 0
    said = capsys.readouterr().err
    assert ("out of memory with" if isinstance(error, torch.OutOfMemoryError) else "a fused pass failed") in said


def test_passes_that_always_fail_end_in_separate_training(capsys: pytest.CaptureFixture[str]) -> None:
    def model(config: ct.Config) -> nn.Module:
        return Net(config.dropout, short_of_memory)

    searched = study(digits_task(model=model), executor=ct.Fused(lanes=8)).optimize(trials=5, progress=True)
    assert results(searched) == results(study(digits_task(), executor="inline").optimize(trials=5, progress=False))
    assert "running these trials separately" in capsys.readouterr().err


def short_of_memory(x: Tensor) -> None:
    """Raises in passes of lanes in their own precision, as they train."""
    if is_of_lanes(x) and x.dtype == torch.float32:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_lanes_halved_by_memory_give_the_same_bits() -> None:
    failing = Failing(12, torch.OutOfMemoryError("CUDA out of memory"))
    halved = study(digits_task(model=lambda c: Net(c.dropout, failing)), executor=ct.Fused(lanes=8))
    assert results(halved.optimize(trials=8, progress=False)) == results(
        study(digits_task(), executor=ct.Fused(lanes=8)).optimize(trials=8, progress=False)
    )
    assert halved.settings["lanes that fit"] == 4


class Greedy:
    """Runs out of memory with more than four lanes. n_lanes: of all passes so far."""

    def __init__(self) -> None:
        self.n_lanes: list[int] = []

    def __call__(self, x: Tensor) -> None:
        if is_of_lanes(x) and x.dtype == torch.float32:
            self.n_lanes.append(len(get_unwrapped(x)) - 1)  # the last one is a copy
            if self.n_lanes[-1] > 4:
                raise torch.OutOfMemoryError("CUDA out of memory")

    def __deepcopy__(self, _memo: object) -> Greedy:
        return self


def test_a_resumed_study_does_not_run_out_of_memory_again(tmp_path: Path) -> None:
    greedy = Greedy()

    def search(trials: int) -> ct.Study:
        task = digits_task(model=lambda c: Net(c.dropout, greedy))
        return study(task, executor=ct.Fused(lanes=8), path=tmp_path).optimize(trials=trials, progress=False)

    assert search(8).settings["lanes that fit"] == 4 and max(greedy.n_lanes) == 8
    greedy.n_lanes.clear()
    assert len(search(16).trials) == 16 and max(greedy.n_lanes) == 4


def test_lanes_are_saved_together_and_finished_ones_alone(tmp_path: Path) -> None:
    tidied = set[str]()

    def measure(output: Tensor, target: Tensor) -> float:
        tidied.update(path.suffix for path in (tmp_path / "checkpoints").glob("[0-9]*"))
        return float((output.argmax(-1) == target).double().mean())

    task = digits_task(metrics=[measure])
    executor = ct.Fused(lanes=4, checkpoint_s=0)
    searched = ct.Study(task, SPACE, maximize="measure", strategy="random", executor=executor, path=tmp_path)
    searched.optimize(trials=6, progress=False)
    assert ".population" in tidied
    assert {path.suffix for path in (tmp_path / "checkpoints").iterdir()} == {".safetensors"}
    assert searched.load(5).model().state_dict().keys() == Net(0.0).state_dict().keys()


def test_a_signal_gives_all_lanes_back_and_the_same_line_goes_on(tmp_path: Path) -> None:
    calls = []

    def measure(output: Tensor, target: Tensor) -> float:
        calls.append(1)
        if len(calls) == 6:
            signal.raise_signal(signal.SIGINT)
        return float((output.argmax(-1) == target).double().mean())

    def search(path: Path | None) -> ct.Study:
        task = digits_task(metrics=[measure])
        return ct.Study(
            task, SPACE, maximize="measure", strategy="random", seed=3, executor=ct.Fused(lanes=4), path=path
        )

    with pytest.raises(Interrupted):
        search(tmp_path).optimize(trials=8, progress=False)
    with ct.Study.open(tmp_path) as left:
        assert not left.history.running and left.history.waiting
    calls.extend([1] * 100)
    resumed, whole = (search(path).optimize(trials=8, progress=False) for path in (tmp_path, None))
    assert results(resumed) == results(whole)


class StepByStep:
    """Every trial yields after each epoch, and goes on in the next plan."""

    def plan(self, history: History, slots: int, suggest: Callable, draw: object) -> list[Action]:
        def until(number: int) -> int:
            return history.step(number) + 1

        begun = sorted(history.waiting | history.paused)[:slots]
        resumed = [Resume(number, until(number)) for number in begun]
        return [*resumed, *[Start(found, 1) for found in suggest(slots - len(begun))]]


def test_trials_cut_at_every_epoch_equal_ones_that_were_not() -> None:
    def search(scheduler: object) -> ct.Study:
        executor = ct.Fused(lanes=3)
        made = ct.Study(digits_task(), SPACE, strategy="random", seed=3, executor=executor, scheduler=scheduler)
        return made.optimize(trials=5, progress=False)

    stepped, whole = search(StepByStep()), search("none")
    assert results(stepped) == results(whole)
    assert all(stepped.history.epoch(trial.number) == trial.config.epochs for trial in stepped.trials)  # one lease each


def test_a_function_of_a_trial_cannot_be_fused() -> None:
    with pytest.raises(StudyError, match="executor='fused' trains the trials of a ct.Task"):
        ct.Study(lambda trial: 1.0, {"x": (0.0, 1.0)}, minimize="value", executor="fused").optimize(trials=1)


@pytest.mark.parametrize("options", [{"lanes": 0}, {"lanes": 2.5}, {"checkpoint_s": -1}, {"device": "gpu"}])
def test_settings_that_make_no_sense_are_refused(options: dict) -> None:
    with pytest.raises(ct.CotuneError, match="lanes|checkpoint_s|device"):
        ct.Fused(**options)


def test_auto_measures_once_and_keeps_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = study(digits_task(), executor="auto", path=tmp_path).optimize(total_epochs=30, progress=True)
    found = first.settings["engine"]
    assert found["fused_ms"] > 0 and found["separate_ms"] > 0 and found["why"] in capsys.readouterr().err
    n = len(first.trials)
    again = study(digits_task(), executor="auto", path=tmp_path).optimize(trials=n + 4, progress=False)
    assert again.settings["engine"] == found and len(again.trials) == n + 4


def test_a_kind_that_was_proven_to_be_measured_is_not_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    proven = []
    check = kinds.check

    def counted(*arguments: object) -> None:
        proven.append(arguments)
        check(*arguments)

    def pays(self: object, lanes: int) -> bool:
        return True

    monkeypatch.setattr(kinds, "check", counted)
    monkeypatch.setattr(engine, "_SHORT_S", 0.0)
    monkeypatch.setattr(probe._Cost, "pays", pays)
    searched = study(digits_task(), executor="auto").optimize(trials=16, progress=False)
    assert searched.settings["engine"]["lanes"] > 1
    assert len(proven) == 1


def test_a_kind_with_long_steps_that_gains_nothing_is_not_even_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    proven = []

    def busy(population: object) -> Iterator[None]:
        while True:
            end = time.process_time() + 0.1
            while time.process_time() < end:
                pass
            yield

    monkeypatch.setattr(kinds, "check", lambda *arguments: proven.append(arguments))
    monkeypatch.setattr(engine, "_SHORT_S", 0.0)
    monkeypatch.setattr(probe, "_LONG_MS", 0.0)
    monkeypatch.setattr(probe, "_ticks", busy)
    searched = study(digits_task(), executor="auto", batch_size=[16, 32]).optimize(trials=16, progress=False)
    found = searched.settings["engine"]
    assert found["lanes"] == 1 and found["fused_ms"] > found["separate_ms"] > 0
    assert "by itself" in found["why"]
    assert not proven


def test_a_kind_with_long_steps_that_cannot_be_fused_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_SHORT_S", 0.0)
    monkeypatch.setattr(probe, "_LONG_MS", 0.0)
    task = digits_task(model=lambda c: Net(c.dropout, before=lambda x: x.sum().item()))
    found = study(task, executor="auto").optimize(trials=16, progress=False).settings["engine"]
    assert found["lanes"] == 1 and "calls .item()" in found["why"]


@pytest.mark.parametrize(("separate", "is_clear"), [(11.0, True), (12.0, False), (25.0, False), (26.0, True)])
def test_a_look_is_clear_where_the_ways_differ_by_more_than_noise(separate: float, is_clear: bool) -> None:
    cost = probe._Cost(1.0, 0, separate, 10.0, 1.0, [Phase(8, 10)], 10)  # 8 ticks of 10 + 11 ms, for 10 trials
    assert cost.fused(10) == pytest.approx(16.8)
    assert cost.is_clear(10) is is_clear


def test_auto_measures_nothing_for_a_search_that_takes_seconds() -> None:
    found = study(digits_task(), executor="auto").optimize(trials=12, progress=False).settings["engine"]
    assert found["lanes"] == 1 and "all trials together take about" in found["why"] and found["fused_ms"] == 0


def test_auto_leaves_alone_what_is_never_alike() -> None:
    task = digits_task(model=lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.Sigmoid(), nn.Linear(c.hidden, 10)))
    space = {"learning_rate": (1e-3, 1e-1), "hidden": ct.Int(4, 400)}  # of a sigmoid, zero is not zero
    searched = ct.Study(task, space, strategy="random", seed=3).optimize(total_epochs=6, progress=False)
    assert searched.settings["engine"]["lanes"] == 1
    assert "would be alike" in searched.settings["engine"]["why"]


def wide(config: ct.Config) -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, config.hidden), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.hidden, 10)
    )


def test_trials_of_different_width_train_together_with_the_same_results_in_any_number_of_lanes() -> None:
    def search(executor: object) -> ct.Study:
        searched = study(digits_task(model=wide), executor=executor, hidden=ct.Int(4, 300), batch_size=[16, 50])
        return searched.optimize(trials=9, progress=False)

    few, many, inline = search(ct.Fused(lanes=2)), search(ct.Fused(lanes=9)), search("inline")
    assert results(few) == results(many)
    for ours, theirs in zip(many.trials, inline.trials, strict=True):
        assert all(math.isclose(ours.metrics[n], theirs.metrics[n], rel_tol=1e-2) for n in ours.metrics)
    model = many.best.model()
    assert [p.shape[0] for p in model.parameters()] == [many.best.config.hidden] * 2 + [10] * 2
    assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_auto_trains_trials_together_that_differ_in_width_and_keeps_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(path: Path | None, n_epochs: int) -> ct.Study:
        space = {**SPACE, "hidden": ct.Int(4, 300)}
        searched = ct.Study(digits_task(model=wide), space, seed=3, path=path, scheduler="none")
        return searched.optimize(total_epochs=n_epochs, progress=False)

    verdict = Verdict(lanes=4, pays=(0,), fills_up=True, fused_ms=1.0, separate_ms=2.0, why="as measured")
    monkeypatch.setattr(engine, "probe", lambda *_, **__: verdict)
    whole = search(None, 16)
    assert whole.settings["engine"] == verdict.to_json()
    search(tmp_path, 5)
    monkeypatch.delattr(engine, "probe")  # it is measured once
    resumed = search(tmp_path, 16)
    assert resumed.settings["engine"] == verdict.to_json()
    assert results(resumed) == results(whole)


def test_auto_measures_trials_that_differ_in_width_together() -> None:
    task = digits_task(data=ct.data.digits(), model=wide)
    searched = ct.Study(task, {**SPACE, "hidden": ct.Int(4, 60)}, seed=3).optimize(total_epochs=4, progress=False)
    found = searched.settings["engine"]
    assert found["lanes"] > 1 and found["fills_up"] and len(found["pays"]) == 1
