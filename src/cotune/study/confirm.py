"""Training a study's best configurations again, on splits and seeds that the search did not use. This loads torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator

from cotune.config import Config
from cotune.errors import NoResult, StudyError
from cotune.executors.equipment import CheckpointStore, Equippable
from cotune.executors.executor import ENDS, Executor
from cotune.executors.objective import OfTask
from cotune.executors.snapshot import Stamp
from cotune.explain.confirmation import Confirmation
from cotune.explain.judgement import Circumstances, Floats, judged
from cotune.records import CONFIRMATION, Event, Finished, History, Job, Reclaimed, Released
from cotune.seeds import Purpose, generator, integer
from cotune.standard_error import fold_names
from cotune.strategies.bayesian.standing import standing
from cotune.study.apart import trainer
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.training import Task, metrics

RUNS = "confirmation runs"
"""The setting that keeps what each training measured."""
_POLL_S = 0.5
_DEFAULT = "default"
_HINT = "cotune: interrupted; what was trained is kept. The same call goes on from there."
_Key = tuple[int | None, int]
"""(trial, seed): None for the default configuration."""


def confirm(log: Log, target: Target, executor: Equippable, *, top: int, seeds: int) -> Confirmation:
    """Train the `top` best configurations and the default one, each with so many seeds, and judge them.

    What is trained is kept in the log at once, so that the same call goes on where it was left. Raises NoResult if
    no trial has a result, StudyError if all fail this time.
    """
    history = log.refresh()
    if len(history.objectives) > 1:
        raise StudyError("study.confirm() compares trials by one objective; this study has several")
    seen, default = history.n_results, history.space.baseline()
    same = next((number for number in history.contenders() if history.config(number) == default), None)
    chosen = candidates(history, top)
    if same is not None and same not in chosen:
        chosen.append(same)  # it may be the best: a search does not always find something better
    configs: dict[int | None, Config] = {number: history.config(number) for number in chosen}
    if default is not None and same is None:
        configs[None] = default
    scores = _scores(log, target, executor, configs, seeds)
    sign = history.value_of(1.0)
    observed: dict[int | None, float] = {number: sign * float(history.y[number, 0]) for number in chosen}
    observed[None] = math.nan
    objective = next(iter(history.objectives.items()))
    made = judged(objective, scores, observed, _circumstances(history, target.task, same), _draw(history))
    log.renew(CONFIRMATION, {**made.to_json(), "seen": seen})
    return made


def candidates(history: History, top: int) -> list[int]:
    """The numbers of the best result and of those of which the model expects most; none of them a copy of another."""
    numbers, configs = list[int](), list[Config]()
    contenders = sorted(history.contenders(), key=lambda number: (history.y[number, 0], number))
    if not contenders:
        raise NoResult("no trial has a result yet; there is nothing to confirm")
    expected = dict(zip(contenders, standing(history, contenders, _draw(history)), strict=True))
    for number in (contenders[0], *sorted(contenders, key=lambda number: (expected[number], number))):
        if len(numbers) < top and (config := history.config(number)) not in configs:
            numbers.append(number)
            configs.append(config)
    forks = [number for number in numbers if history.parent(number) is not None]
    if forks:
        raise StudyError(
            f"study.confirm() trains a configuration from its start, but trial {forks[0]} went on from another one's "
            "weights; train its schedule again instead: ct.fit(task, study.best.schedule, seed=1)"
        )
    return numbers


def _draw(history: History) -> Generator:
    return generator(history.seed, Purpose.CONFIRM)


def _fresh(target: Target) -> Target:
    """The same, with a validation split of its own for every training, and the scores of all folds."""
    if target.task is None:
        return target
    return replace(target, objective=OfTask(target.task.confirming(), target.directions, tells_folds=True))


def _circumstances(history: History, task: Task | None, same: int | None) -> Circumstances:
    sign = history.value_of(1.0)
    observed = [sign * float(history.y[number, 0]) for number in history.contenders()]
    if task is None:
        advice = "Measure it on more samples, or compare fewer trials"
        return Circumstances(None, 1, 0.0, is_fresh=False, is_share=False, observed=observed, same=same, advice=advice)
    parts = task.splits(seed=0, split_seed=history.seed, device=torch.device("cpu"))
    is_random = task.division is not None and task.division.is_random
    example = ", e.g. with ct.KFold(5)" if is_random and task.n_folds == 1 else ""
    return Circumstances(
        len(parts.validation), task.n_folds, len(parts.validation) / len(parts.train), is_random,
        task.objective[0] in metrics.SHARES, observed, same,
        f"Validate on more samples{example}, or compare fewer trials",
    )  # fmt: skip


def _scores(
    log: Log, target: Target, executor: Equippable, configs: dict[int | None, Config], seeds: int
) -> dict[int | None, list[Floats | None]]:
    """The scores per candidate and seed, None for a training that failed. Raises StudyError if no trial is without."""
    history, kept = log.refresh(), _Kept(log, _told(target.task))
    jobs = {
        (number, seed): _job(history, config, at * seeds + seed, seed)
        for at, (number, config) in enumerate(configs.items())
        for seed in range(seeds)
    }
    left = {key: job for key, job in jobs.items() if key not in kept.scores}
    trainings = _Trainings(left, kept)
    if left:
        with trainer(log, _fresh(target), executor, _HINT) as (engine, checkpoints):
            trainings.run(engine, checkpoints)
    found = {number: [kept.scores.get((number, seed)) for seed in range(seeds)] for number in configs}
    if all(any(score is None for score in own) for number, own in found.items() if number is not None):
        raise StudyError(f"every configuration fails when it is trained again: {trainings.reason}")
    return found


def _told(task: Task | None) -> str:
    """What scores are of: with another task they are others."""
    return "" if task is None else f"{task.division!r}, {task.epochs} epochs, {task.objective[0]}"


class _Kept:
    """What was trained so far, in the log. of: what it was trained on; scores of something else do not count."""

    def __init__(self, log: Log, of: str) -> None:
        self._log, self._of = log, of
        self.scores = self._read()

    def add(self, key: _Key, scores: Floats) -> None:
        """Keep what one training measured, beside what others have kept meanwhile."""
        self.scores = {**self._read(), **self.scores, key: scores}
        stored = {_name(*one): own.tolist() for one, own in self.scores.items()}
        self._log.renew(RUNS, {"of": self._of, "scores": stored})

    def _read(self) -> dict[_Key, Floats]:
        stored = self._log.refresh().settings.get(RUNS)
        if stored is None or stored["of"] != self._of:
            return {}
        return {_key(name): np.array(own) for name, own in stored["scores"].items()}


class _Trainings:
    """Jobs on their way through an executor; each score is kept as it comes."""

    def __init__(self, jobs: Mapping[_Key, Job], kept: _Kept) -> None:
        self._jobs = {job.number: job for job in jobs.values()}
        self._keys = {job.number: key for key, job in jobs.items()}
        self._kept, self._under_way = kept, set[int]()
        self.reason, self._is_interrupted = "", False

    def run(self, engine: Executor, checkpoints: CheckpointStore) -> None:
        """Train all, as many at a time as there are slots; reason: why one failed, if any did."""
        self._checkpoints = checkpoints
        waiting = list(self._jobs.values())
        while waiting or self._under_way:
            room = engine.slots - len(self._under_way)
            fresh, waiting = waiting[:room], waiting[room:]
            self._under_way.update(job.number for job in fresh)
            if fresh:
                engine.submit(fresh)
            engine.wait(_POLL_S, self._take)
            if self._is_interrupted:
                raise KeyboardInterrupt

    def _take(self, events: Sequence[Event]) -> None:
        """As `Emit`. A job that is given back was interrupted; a state of one that has ended is of no more use."""
        for event in events:
            self._is_interrupted |= isinstance(event, Released)
            if isinstance(event, (*ENDS, Reclaimed)) and event.number in self._under_way:
                self._under_way.discard(event.number)
                self._end(event, self._jobs[event.number])
        for file in self._checkpoints.sizes():
            if Stamp.of(file).number not in self._under_way:
                self._checkpoints.remove(file)

    def _end(self, event: Event, job: Job) -> None:
        if isinstance(event, Finished):
            name = job.objectives[0]
            each = [event.metrics[key] for key in fold_names(name, event.metrics)] or [event.metrics[name]]
            self._kept.add(self._keys[job.number], np.array(each))
        else:
            self.reason = getattr(event, "reason", "") or "its process ended"


def _job(history: History, config: Config, number: int, seed: int) -> Job:
    """A training from the start to the end; all candidates have the same seeds, so that they are compared in pairs."""
    return Job(
        number=number, epoch=1, config=config, task=0, seed=integer(history.seed, Purpose.CONFIRM, seed),
        shared_seed=history.seed, step=0, until=None, steps=history.steps, checkpoint=None, reported={},
        objectives=tuple(history.objectives),
    )  # fmt: skip


def _name(number: int | None, seed: int) -> str:
    return f"{_DEFAULT if number is None else number}/{seed}"


def _key(name: str) -> _Key:
    number, _, seed = name.partition("/")
    return None if number == _DEFAULT else int(number), int(seed)
