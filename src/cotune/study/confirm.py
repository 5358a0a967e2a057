"""Training a study's best configurations again, on splits and seeds that the search did not use. This loads torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from numpy.random import Generator

from cotune.config import Config
from cotune.errors import ConfigError, NoResult, StudyError
from cotune.executors.equipment import CheckpointStore, Equippable
from cotune.executors.executor import ENDS, Executor
from cotune.executors.objective import OfTask
from cotune.executors.snapshot import Stamp
from cotune.explain.confirmation import Circumstances, Confirmation, Score, judged
from cotune.records import CONFIRMATION, Event, Finished, History, Job, Reclaimed, Released
from cotune.seeds import Purpose, generator, integer
from cotune.standard_error import SUFFIX
from cotune.strategies.bayesian.standing import standing
from cotune.study.apart import trainer
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.training import Task, metrics

RUNS = "confirmation runs"
"""The setting that keeps what each training measured."""
_POLL_S = 0.5
_DEFAULT = "default"
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
    default = _default(history)
    same = next((number for number in history.contenders() if history.config(number) == default), None)
    chosen = candidates(history, top)
    if same is not None and same not in chosen:
        chosen.append(same)  # it may be the best: a search does not always find something better
    configs: dict[int | None, Config] = {number: history.config(number) for number in chosen}
    if default is not None and same is None:
        configs[None] = default
    scores = _scores(log, _fresh(target), executor, configs, seeds)
    if same is not None:
        scores[None] = scores[same]
    if all(None in scores[number] for number in chosen):
        raise StudyError("every configuration fails when it is trained again; see study.settings['confirmation runs']")
    sign = history.value_of(1.0)
    observed: dict[int | None, float] = {number: sign * float(history.y[number, 0]) for number in chosen}
    observed[None] = math.nan if same is None else observed[same]
    objective = next(iter(history.objectives.items()))
    about = _circumstances(history, target.task)
    made = judged(objective, scores, observed, about, _draw(history))
    log.renew(CONFIRMATION, {**made.to_json(), "seen": len(history.outcomes)})
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


def _default(history: History) -> Config | None:
    """The configuration of all defaults and middles, if a rule does not forbid it."""
    try:
        return history.space.default()
    except ConfigError:
        return None


def _fresh(target: Target) -> Target:
    """The same, with a validation split of its own for every training."""
    if target.task is None:
        return target
    return replace(target, objective=OfTask(target.task.confirming(), target.directions))


def _circumstances(history: History, task: Task | None) -> Circumstances:
    sign = history.value_of(1.0)
    observed = [sign * float(history.y[number, 0]) for number in history.contenders()]
    if task is None:
        return Circumstances(None, 1, overlap=0.0, is_fresh=True, most=math.inf, observed=observed)
    parts = task.splits(seed=0, split_seed=history.seed, device=torch.device("cpu"))
    is_fresh = task.division is not None and task.division.is_random
    most = 1.0 if task.objective[0] in metrics.SHARES else math.inf
    n = len(parts.validation)
    return Circumstances(n * task.n_folds, task.n_folds, n / len(parts.train), is_fresh, most, observed)


def _scores(
    log: Log, target: Target, executor: Equippable, configs: dict[int | None, Config], seeds: int
) -> dict[int | None, list[Score | None]]:
    """One score per candidate and seed, None for a training that failed."""
    history = log.refresh()
    known = _known(history)
    jobs = {
        (number, seed): _job(history, config, at * seeds + seed, seed)
        for at, (number, config) in enumerate(configs.items())
        for seed in range(seeds)
    }
    left = {key: job for key, job in jobs.items() if key not in known}

    def keep(key: _Key, score: Score | None) -> None:
        known[key] = score
        log.renew(RUNS, {_name(*one): _stored(own) for one, own in known.items()})

    if left:
        with trainer(log, target, executor) as (engine, checkpoints):
            _Trainings(left, keep, checkpoints).run(engine)
    return {number: [known[number, seed] for seed in range(seeds)] for number in configs}


class _Trainings:
    """Jobs on their way through an executor; each score is kept as it comes."""

    def __init__(
        self, jobs: Mapping[_Key, Job], keep: Callable[[_Key, Score | None], None], checkpoints: CheckpointStore
    ) -> None:
        self._jobs = {job.number: job for job in jobs.values()}
        self._keys = {job.number: key for key, job in jobs.items()}
        self._keep, self._checkpoints = keep, checkpoints
        self._under_way = set[int]()

    def run(self, engine: Executor) -> None:
        """Train all, as many at a time as there are slots."""
        waiting = list(self._jobs.values())
        while waiting or self._under_way:
            room = engine.slots - len(self._under_way)
            fresh, waiting = waiting[:room], waiting[room:]
            self._under_way.update(job.number for job in fresh)
            if fresh:
                engine.submit(fresh)
            engine.wait(_POLL_S, self._take)

    def _take(self, events: Sequence[Event]) -> None:
        """As `Emit`. A job that is given back was interrupted; a state of one that has ended is of no more use."""
        for event in events:
            if isinstance(event, Released):
                raise KeyboardInterrupt
            if isinstance(event, (*ENDS, Reclaimed)) and event.number in self._under_way:
                self._under_way.discard(event.number)
                self._keep(self._keys[event.number], _score(event, self._jobs[event.number]))
        for file in self._checkpoints.sizes():
            if Stamp.of(file).number not in self._under_way:
                self._checkpoints.remove(file)


def _score(event: Event, job: Job) -> Score | None:
    if not isinstance(event, Finished):
        return None
    name = job.objectives[0]
    return Score(event.metrics[name], event.metrics.get(name + SUFFIX, math.nan))


def _job(history: History, config: Config, number: int, seed: int) -> Job:
    """A training from the start to the end; all candidates have the same seeds, so that they are compared in pairs."""
    return Job(
        number=number, epoch=1, config=config, task=0, seed=integer(history.seed, Purpose.CONFIRM, seed),
        shared_seed=history.seed, step=0, until=None, steps=history.steps, checkpoint=None, reported={},
        objectives=tuple(history.objectives),
    )  # fmt: skip


def _known(history: History) -> dict[_Key, Score | None]:
    """What an earlier call has trained."""
    stored: dict[str, list[float] | None] = history.settings.get(RUNS) or {}
    return {_key(name): None if pair is None else _score_of(*pair) for name, pair in stored.items()}


def _stored(score: Score | None) -> list[float | None] | None:
    return None if score is None else [score.value, None if math.isnan(score.error) else score.error]


def _score_of(value: float, error: float | None) -> Score:
    return Score(value, math.nan if error is None else error)


def _name(number: int | None, seed: int) -> str:
    return f"{_DEFAULT if number is None else number}/{seed}"


def _key(name: str) -> _Key:
    number, _, seed = name.partition("/")
    return None if number == _DEFAULT else int(number), int(seed)
