"""Workers that ask, report, tell, tell twice, tell late and die, against a dictionary that does the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

import cotune as ct
from cotune.records import ATTEMPTS, Reported, State

SPACE = {"x": (0.0, 1.0), "n": (1, 10)}


class Workers(RuleBasedStateMachine):
    """The model: per trial its state, its holder's index, its epoch, attempts, value, and the last reported step."""

    workers = Bundle("workers")
    handles = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cotune-machine-"))
        self.studies: dict[int, ct.Study] = {}
        self.model: list[dict] = []
        self.n_workers = 0

    @initialize(target=workers)
    def first(self) -> int:
        return self._open()

    @rule(target=workers)
    def another_worker_joins(self) -> int:
        return self._open()

    @rule(target=handles, worker=workers)
    def ask(self, worker: int) -> object:
        if worker not in self.studies:
            return multiple()
        handle = self._ask(worker)
        return (worker, handle)

    @rule(worker=consumes(workers))
    def die_after_asking_but_before_knowing_it(self, worker: int) -> None:
        if worker in self.studies:
            self._ask(worker)
            self._die(worker)

    @rule(worker=consumes(workers))
    def die(self, worker: int) -> None:
        if worker in self.studies:
            self._die(worker)

    @rule(held=handles, value=st.integers(-5, 5), dies=st.booleans())
    def tell(self, held: tuple, value: int, dies: bool) -> None:
        worker, handle = held
        if worker not in self.studies:
            return
        trial = self.model[handle.number]
        told = trial["state"] == "done" and trial["value"] == value
        if told or self._holds(handle):
            self.studies[worker].tell(handle, value)
            trial.update(state="done", value=value)
        else:
            with pytest.raises(ct.LeaseLost):
                self.studies[worker].tell(handle, value)
        if dies:
            self._die(worker)

    @rule(held=handles, value=st.integers(-5, 5))
    def another_worker_tells_for_a_dead_one(self, held: tuple, value: int) -> None:
        worker, handle = held
        if worker in self.studies or not self.studies:
            return
        study = next(iter(self.studies.values()))
        trial = self.model[handle.number]
        told = trial["state"] == "done" and trial["value"] == value
        if told or self._holds(handle):
            study.tell(handle, value)
            trial.update(state="done", value=value)
        else:
            with pytest.raises(ct.LeaseLost):
                study.tell(handle, value)

    @rule(held=handles, value=st.floats(allow_nan=False))
    def report(self, held: tuple, value: float) -> None:
        worker, handle = held
        if worker not in self.studies:
            return
        fact = Reported(handle.number, handle.epoch, [1], {"value": [value]})
        if self._holds(handle):
            self.studies[worker]._log.record([fact])
            self.model[handle.number]["reported"] = value
        else:
            with pytest.raises(ct.LeaseLost):
                self.studies[worker]._log.record([fact])

    @rule()
    def reopen(self) -> None:
        if self.model:
            with ct.Study.open(self.folder) as study:
                self._compare(study)

    @invariant()
    def every_worker_sees_the_model(self) -> None:
        for study in self.studies.values():
            self._compare(study)

    def teardown(self) -> None:
        for study in self.studies.values():
            study.close()
        shutil.rmtree(self.folder)

    def _open(self) -> int:
        self.n_workers += 1
        study = ct.Study(None, SPACE, minimize="value", path=self.folder, strategy="random")
        assert study._log.worker
        self.studies[self.n_workers] = study
        return self.n_workers

    def _ask(self, worker: int) -> ct.Study:
        self._reclaim()
        waiting = [number for number, trial in enumerate(self.model) if trial["state"] == "waiting"]
        handle = self.studies[worker].ask()
        if waiting:
            assert handle.number == waiting[0]
        else:
            assert handle.number == len(self.model)
            fresh = {"epoch": 0, "attempts": 0, "value": None, "reported": None, "config": dict(handle.config)}
            self.model.append(fresh)
        trial = self.model[handle.number]
        trial.update(state="running", holder=worker, epoch=trial["epoch"] + 1)
        assert handle.epoch == trial["epoch"] and dict(handle.config) == trial["config"]
        return handle

    def _reclaim(self) -> None:
        for trial in self.model:
            if trial["state"] == "running" and trial["holder"] not in self.studies:
                trial["attempts"] += 1
                trial["state"] = "waiting" if trial["attempts"] < ATTEMPTS else "failed"

    def _die(self, worker: int) -> None:
        """What `kill -9` does to the storage: the kernel closes the files and drops the lock."""
        self.studies.pop(worker).close()

    def _holds(self, handle: object) -> bool:
        trial = self.model[handle.number]
        return trial["state"] == "running" and trial["epoch"] == handle.epoch

    def _compare(self, study: ct.Study) -> None:
        trials = list(study.trials)
        assert [str(trial.state) for trial in trials] == [trial["state"] for trial in self.model]
        for trial, expected in zip(trials, self.model, strict=True):
            assert dict(trial.config) == expected["config"]
            assert trial.metrics.get("value") == expected["value"]
            assert trial.curve.get("value", [None])[0] == expected["reported"]
            assert (trial.state is State.DONE) == (expected["value"] is not None)


Workers.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWorkers = Workers.TestCase
