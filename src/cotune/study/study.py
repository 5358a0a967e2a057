"""A search as its user holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from cotune.errors import NoResult, StudyError
from cotune.executors.folders import log_of_trial
from cotune.explain.confirmation import Confirmation, confirmation_of
from cotune.records import Created, History
from cotune.schedulers import Scheduler
from cotune.space import Space
from cotune.storage import Durability, SqliteStorage
from cotune.strategies import Strategy
from cotune.study import arguments, by_hand
from cotune.study.asked import AskedTrial
from cotune.study.best import Best
from cotune.study.budget import Budget
from cotune.study.crew import Crew
from cotune.study.directions import directions
from cotune.study.log import Log, require_same
from cotune.study.planner import Planner
from cotune.study.stopping import Stopping, end_in_words
from cotune.study.trials import Trials

if TYPE_CHECKING:
    from cotune.executors.equipment import CheckpointStore, Equippable
    from cotune.executors.running import RunningTrial
    from cotune.explain import Insight
    from cotune.study.objectives import Target
    from cotune.study.replay import Replay
    from cotune.training import Fit, Task


class Study:
    """One search: what is tuned, in which space, and everything that is known so far.

    The same program run again carries on where it stopped; several processes with the same path share the work.
    """

    def __init__(
        self,
        objective: Task | Callable[[RunningTrial], Any] | None,
        space: Space | Mapping[str, Any],
        *,
        path: str | Path | None = None,
        strategy: str | Strategy = "auto",
        scheduler: str | Scheduler = "auto",
        executor: str | Equippable = "auto",
        seed: int = 0,
        minimize: str | list[str] | None = None,
        maximize: str | list[str] | None = None,
        epochs: int | None = None,
        durability: Durability = "process",
    ) -> None:
        """Make a study, or join the one at `path`.

        objective: a `ct.Task`, a function of a running trial, or None to ask and tell by hand. path: the study's
        folder; None: it lives in memory. seed: all random choices follow from it. minimize, maximize: the metrics to
        optimise, where the objective does not say it. epochs: how often a function goes round `trial.epochs()`, or how
        often a trial that is asked will be reported.
        durability: "process" survives the death of processes, "power" also a power cut, for a slower log.
        Raises SpaceError, TaskError or StudyError before anything is written.
        """
        self._space = space if isinstance(space, Space) else Space(space)
        self._crew: Crew | None = Crew(strategy, scheduler, executor)
        self._target: Target | None = None
        epochs = arguments.checked_epochs(epochs)
        if objective is not None:
            from cotune.study.objectives import target_of  # loads torch

            self._target = target_of(objective, self._space, minimize=minimize, maximize=maximize, epochs=epochs)
        arguments.check_race(self._crew.scheduler, self._target)
        created = Created(
            space=self._space.to_json(),
            objectives=self._target.directions if self._target else directions(minimize, maximize),
            seed=arguments.checked_seed(seed),
            steps=self._target.steps if self._target else epochs,
        )
        self._path = None if path is None else arguments.checked_path(path, "Study(path=")
        self._log = Log(arguments.storage_at(self._path, durability), self._space)
        self._home = None if self._path is None else self._path.absolute()  # wherever the process moves to later
        self._log.create(created)
        require_same(self._log.history, created)

    @classmethod
    def open(cls, path: str | Path) -> Study:
        """The study at `path` without its task, for reading, and for telling trials by number; it decides nothing.

        Loads no torch and imports nothing that is named in the files. Raises StudyError if there is no study.
        """
        folder = arguments.checked_path(path, "Study.open(")
        home = folder.absolute()
        log = Log(SqliteStorage(home))
        if not (folder / "study.db").exists() or not log.refresh().is_created:
            raise StudyError(f"there is no study at {folder}; check the path, or make one with Study(..., path=...)")
        study = cls.__new__(cls)
        study._space, study._crew, study._target = log.history.space, None, None
        study._path, study._home, study._log = folder, home, log
        return study

    def optimize(
        self,
        trials: int | None = None,
        *,
        total_epochs: int | None = None,
        seconds: float | None = None,
        stop: Literal["auto"] | None = None,
        tolerance: float | None = None,
        target: float | Mapping[str, float] | None = None,
        patience: int | None = None,
        progress: bool = True,
    ) -> Study:
        """Search until the budget is spent and return the study; the same call again has nothing left to do.

        trials: configurations in total, over all runs and workers. total_epochs: epochs in total. seconds: training
        seconds in total. progress: show a panel on a terminal, one line a minute elsewhere.

        The search ends before that, and `ended` says why, with stop="auto" when the model's expected improvement is at
        most the noise, or `tolerance`, three times in a row (without a model: with a patience of 30); with `target` as
        soon as a trial is as good, for several objectives with a dict of values that one trial must reach together;
        with `patience` after so many trials, also of those that a scheduler stops early, without a new best.
        Raises StudyStopped when the first trials all fail alike; ends with Interrupted (exit code 130 or 143) after
        SIGINT or SIGTERM, with nothing left running.
        """
        from cotune.study import search  # loads torch
        from cotune.study.panel import Panel

        budget = arguments.checked_budget(trials, total_epochs, seconds)
        stopping = arguments.checked_stopping(
            list(self._log.history.objectives), stop=stop, tolerance=tolerance, target=target, patience=patience
        )
        crew = self._whole()
        if self._target is None:
            raise StudyError("this study has nothing to train: give Study(...) a task or a function, or ask and tell")
        title = f"cotune {self._path}" if self._path else "cotune"
        planner = crew.planner(self._log, self._target, budget, stopping)
        self._log.renew("stopping", stopping.to_json())
        choice = self.settings["strategy"] if crew.is_auto else None
        panel = Panel(budget, stopping=stopping, title=title, choice=choice, hints=self._space.hints, is_shown=progress)
        workshop = search.Workshop(self._target, crew.executor, self._checkpoints, self._home)
        search.run(self._log, planner, workshop, panel)
        return self

    @overload
    def ask(self) -> AskedTrial: ...
    @overload
    def ask(self, n: int) -> list[AskedTrial]: ...
    def ask(self, n: int | None = None) -> AskedTrial | list[AskedTrial]:
        """The next trial to evaluate by hand, or a list of up to n; each wants to be told.

        Trials that were enqueued, or whose process died, come first. Raises StudyError when nothing is left to try.
        """
        slots = 1 if n is None else arguments.checked_count(n)
        asked = by_hand.ask(self._log, self._planner(), slots)
        return asked[0] if n is None else asked

    @overload
    def report(self, trial: str | Path) -> Path: ...
    @overload
    def report(self, trial: AskedTrial | int, *, step: int | None = None, **metrics: float) -> bool: ...
    def report(self, trial: AskedTrial | int | str | Path, *, step: int | None = None, **metrics: float) -> bool | Path:
        """Write a page about the study, or log named metrics of a trial that is evaluated by hand.

        `study.report("digits.html")` writes one file for any browser, with all that is known and without a network, and
        returns its path. Raises StorageError if the file cannot be written.

        `study.report(trial, loss=0.3)` logs metrics step by step; False when the trial shall not go on.
        trial: what `ask` gave, or its number. step: None for the next one, counted from 1. A scheduler (`"asha"`,
        `"median"`) compares trials by what they report; one that it stops has that as its outcome, and wants no `tell`.
        Raises ReportError if this is no report, LeaseLost if the trial has an outcome or another worker.
        """
        if isinstance(trial, str | Path):
            arguments.check_page(trial, step, metrics)
            from cotune.study.page import write_page  # loads torch

            return write_page(self._log.refresh(), self._path, Path(trial))
        return by_hand.report(self._log, self._planner(), trial, step=step, metrics=metrics)

    def tell(
        self, trial: AskedTrial | int, value: float | None = None, *, failed: str | None = None, **metrics: float
    ) -> None:
        """Give a trial its outcome; it is durable when this returns. Saying the same again changes nothing.

        trial: what `ask` gave, or its number. value: the objective, if there is one. failed: why there is no result.
        NaN or infinity fails the trial as diverged. Raises ReportError if this is no outcome (the trial goes on),
        LeaseLost if the trial has another outcome or was handed to another worker.
        """
        by_hand.tell(self._log, trial, value=value, failed=failed, metrics=metrics)

    def enqueue(self, config: Mapping[str, Any]) -> int:
        """Have a configuration tried next and return its trial's number; missing values are filled by defaults.

        A configuration that was enqueued before is not enqueued again, so that a script can be run twice. Raises
        ConfigError for a configuration that does not belong to the space.
        """
        self._whole()
        return by_hand.enqueue(self._log, config)

    @property
    def space(self) -> Space:
        """The space that is searched."""
        return self._space

    @property
    def path(self) -> Path | None:
        """The study's folder; None if it lives in memory."""
        return self._path

    @property
    def seed(self) -> int:
        """The seed that all random choices follow from."""
        return self._log.history.seed

    @property
    def objectives(self) -> dict[str, str]:
        """Metric -> "maximize" or "minimize"."""
        return {name: "maximize" if up else "minimize" for name, up in self._log.history.objectives.items()}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was decided once and is kept: what `auto` chose, the first budget, the machine."""
        return dict(self._log.refresh().settings)

    @property
    def history(self) -> History:
        """Everything that is known, as strategies see it. Do not change it."""
        return self._log.refresh()

    @property
    def ended(self) -> str | None:
        """Why the search ended, by what the last `optimize` was told; None if that ended nothing.

        Trials that were running when it ended may still be so.
        """
        history = self._log.refresh()
        return end_in_words(history, Stopping.from_json(history.settings.get("stopping")))

    @property
    def workers(self) -> frozenset[str]:
        """Names of the processes that hold or may take trials now; a trial that another name holds was left behind."""
        return self._log.storage.alive()

    @property
    def trials(self) -> Trials:
        """All trials, as they stand now."""
        return Trials(self._log.refresh())

    @property
    def best(self) -> Best:
        """The best trial of those that went furthest, also a paused one as long as none has come to its end.

        After `confirm`, the one that was chosen there, until new results come.
        Raises NoResult without one, StudyError with two objectives.
        """
        history = self._log.refresh()
        if len(history.objectives) > 1:
            raise StudyError(f"a study of {len(history.objectives)} objectives has no single best; see study.front")
        number = history.best()
        if number is None:
            raise NoResult(f"no trial has a result yet ({self.trials!r})")
        return self.load(number)

    @property
    def front(self) -> list[Best]:
        """The trials that no other trial beats in every objective, by number; empty without results."""
        return [self.load(number) for number in self._log.refresh().front()]

    def load(self, number: int) -> Best:
        """A trial with what it left behind, as `best` gives the best one: at its end, or where it was left before.

        Raises NoResult for one that failed, or has not come to a milestone.
        """
        trial = self.trials[number]
        if not trial.metrics:
            raise NoResult(f"trial {trial.number} has no result: it is {trial.state}")
        task = self._target.task if self._target else None
        return Best(self._log.history, trial.number, task=task, checkpoints=lambda: self._checkpoints)

    def explain(self, objective: str | None = None) -> Insight:
        """What the results say: which hyperparameters matter, how, in which region the best lie, and what to change.

        objective: the metric to look at; None for the first one. Works while the search runs, and on a study that was
        opened by its path. What cannot be said yet is in `notes`. Raises StudyError for an objective that is not there.
        """
        from cotune.explain.insights import insight

        return insight(self._log.refresh(), objective)

    def log_of(self, number: int) -> Path | None:
        """The file with what a trial printed in a process of its own; None if there is none."""
        file = None if self._path is None else log_of_trial(self._path, number)
        return file if file is not None and file.exists() else None

    def replay(self, number: int) -> Replay:
        """Train a trial again as it was trained, and compare every metric of every step to the last bit.

        A fork is trained with all that led to it. Nothing is written. Raises NoResult for a trial that has reported
        nothing, StudyError where it fails this time, or for a study that trains nothing by itself.
        """
        from cotune.study import replay  # loads torch

        trial = self.trials[arguments.checked_number(number, number, "replay")]
        target, executor = self._training_again("replay")
        return replay.replay(self._log, target, executor, trial.number)

    def confirm(self, top: int = 5, seeds: int = 5) -> Confirmation:
        """Train the best configurations again on fresh splits and seeds, and say how good they really are.

        The best of many results is also the luckiest. The `top` trials (the best result, and those of which the model
        expects most) and the space's default configuration are each trained `seeds` times, from their starts to the
        last step, with validation samples that differ from training to training; the sealed test set stays sealed.
        `study.best` is the chosen trial then, until new results come; the default one can be chosen if it was tried.
        Every training is kept at once, so that the same call goes on where it was left.
        Raises NoResult without results, StudyError for several objectives, for forks, and for a study that trains
        nothing by itself.
        """
        from cotune.study import confirm, search  # loads torch

        arguments.check_confirmed(top, seeds)
        target, executor = self._training_again("confirm")
        found = confirm.confirm(self._log, target, executor, top=top, seeds=seeds)
        search.hand_over(self._log.refresh(), search.Workshop(target, executor, self._checkpoints, self._home))
        return found

    @property
    def confirmation(self) -> Confirmation | None:
        """What the last `confirm` found; None if there was none, or new results came since."""
        return confirmation_of(self._log.refresh())

    def refit(self, data: Literal["all", "train"] = "all", seed: int | None = None) -> Fit:
        """Train the best configuration anew and hand back the model.

        data: "all" trains on all of `Task(data=)` that is not sealed, and its metrics are those on these same samples,
        unless there are others to validate on; "train" trains on what the trial trained on (with cross-validation, its
        first fold) and validates as it did. A schedule that the search found (`study.best.schedule`) is followed.
        `Fit.test()` opens the sealed test set. seed: of weights, order and noise; None for 0, or the trial's own.
        """
        from cotune.study.refit import refit  # loads torch

        arguments.check_refit(data)
        task = self._require_target("refit").task
        if task is None:
            raise StudyError("study.refit() trains a ct.Task; call your function with study.best.config")
        return refit(self.best, task, data=data, seed=seed, split_seed=self.seed)

    def close(self) -> None:
        """Give back all files and this process's name; trials that were asked and not told can be taken by others."""
        self._log.storage.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        place = f" at {self._path}" if self._path else ""
        goals = ", ".join(f"{direction} {name}" for name, direction in self.objectives.items())
        return f"<study{place}: {goals}; {self.trials!r}>"

    def _repr_html_(self) -> str:
        winners = "".join(best._repr_html_() for best in self.front[:1])
        return f"<div>{winners}{self.trials._repr_html_()}</div>"

    @cached_property
    def _checkpoints(self) -> CheckpointStore:
        from cotune.study.search import checkpoints_at  # loads torch

        return checkpoints_at(self._home)

    def _planner(self) -> Planner:
        """Who decides about trials that are asked one by one, or trained again: no budget binds them."""
        return self._whole().planner(self._log, self._target, Budget(), Stopping())

    def _whole(self) -> Crew:
        """Who searches. A study that was opened by its path alone does not know its rules, starts and strategy."""
        if self._crew is None:
            raise StudyError(
                f"the study at {self._path} was opened for reading. To search, ask or enqueue, make it as it was made: "
                "Study(task, space, path=...)."
            )
        return self._crew

    def _require_target(self, call: str) -> Target:
        """What a whole study trains."""
        self._whole()
        if self._target is None:
            raise StudyError(f"study.{call}() has nothing to train again: the trials were told by hand")
        return self._target

    def _training_again(self, call: str) -> tuple[Target, Equippable]:
        """What a whole study trains, and what with."""
        from cotune.study.search import chosen_executor  # loads torch

        target = self._require_target(call)
        return target, chosen_executor(self._log, target, self._planner(), self._whole().executor)[0]
