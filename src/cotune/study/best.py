"""The winner of a study, and its trained model."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cotune.config import Config
from cotune.errors import NoResult, StudyError
from cotune.records import FOLDS, History, steps_of_fold
from cotune.schedule import Schedule
from cotune.seeds import Purpose, integer
from cotune.spelled import shown

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cotune.executors.equipment import Checkpoints
    from cotune.training import Folds, Isolated, Task


class Best:
    """One trial with what it left behind: its settings, its scores and its weights."""

    def __init__(
        self, history: History, number: int, *, task: Task | None, checkpoints: Callable[[], Checkpoints]
    ) -> None:
        """task: what was trained, None for a function. checkpoints: gives the store when needed, which loads torch."""
        self.trial = history.trial(number)
        self._stages = [(step, history.config(one)) for one, step in history.lineage(number)]
        self._seeds = integer(history.seed, Purpose.TRIAL, number), history.seed
        self._objectives, self._task, self._checkpoints = history.objectives, task, checkpoints
        last = max(self.trial.steps[-1] if self.trial.steps else 1, 1)
        self._epochs = min(last, steps_of_fold(history, self.trial.config)) if FOLDS in history.settings else last

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def config(self) -> Config:
        """Its hyperparameters."""
        return self.trial.config

    @property
    def schedule(self) -> Schedule:
        """The hyperparameters epoch by epoch; they differ where a scheduler changes them in training (`ct.PBT`).

        `ct.fit(task, best.schedule)` trains a fresh model by it.
        """
        return Schedule(self._stages, epochs=self._epochs)

    @property
    def metrics(self) -> Mapping[str, float]:
        """All metrics at its last step."""
        return self.trial.metrics

    @property
    def value(self) -> float:
        """The objective at its last step."""
        return self.trial.metrics[next(iter(self._objectives))]

    def state(self) -> Mapping[str, Any]:
        """The saved states by the names that were given to `trial.track`; of a task, `run`.

        Raises NoResult if the trial tracked nothing.
        """
        if self.trial.checkpoint is None:
            raise NoResult(f"trial {self.number} saved no state; name what to keep with trial.track(model=net)")
        from cotune.executors.running import without_notes  # loads torch

        return without_notes(self._checkpoints().load(self.trial.checkpoint))

    def weights(self) -> Mapping[str, Tensor]:
        """The last weights: the `state_dict` of a task's model, or of what a function tracked as `model`.

        Raises NoResult if the trial saved no such thing.
        """
        state = self.state()
        if self._is_of_task(state) and "folds" in state["run"]:
            raise NoResult(
                f"trial {self.number} trained a model for each fold; take one with best.model(fold=0), or train one on "
                "all samples: study.refit()"
            )
        model = state["run"]["model"] if self._is_of_task(state) else state.get("model")
        if not isinstance(model, Mapping):
            raise NoResult(
                f"trial {self.number} saved {', '.join(state)}, and no model among them; "
                "give it that name in your function: trial.track(model=net)"
            )
        return {name: value for name, value in model.items() if hasattr(value, "dtype")}

    @staticmethod
    def _is_of_task(state: Mapping[str, Any]) -> bool:
        return isinstance(state.get("run"), Mapping) and not {"model", "folds"}.isdisjoint(state["run"])

    def model(self, epoch: str = "last", fold: int = 0) -> nn.Module:
        """The trained model with its weights, in evaluation mode, on the CPU.

        epoch: "last" for the weights that `metrics` speaks of, "best" for those of the best epoch on validation. fold:
        with cross-validation, which of the trial's models; `study.refit()` trains one on all samples.
        Raises StudyError for a study of a function, which alone can build its model: use `state` there.
        """
        if epoch not in ("last", "best"):
            raise StudyError(f"best.model(epoch={epoch!r}) takes 'last' or 'best'")
        from cotune.training import Isolated  # loads torch

        with Isolated() as isolated:
            runs = self._folds("model()", isolated).begun
            if not 0 <= fold < len(runs):
                raise StudyError(f"best.model(fold={fold!r}) takes a number from 0 to {len(runs) - 1}")
            run = runs[fold]
            if epoch == "best" and run.best is not None:
                run.model.load_state_dict(run.best.weights)
            return run.model.eval()

    def test(self) -> dict[str, float]:
        """The metrics on the sealed test set, of the weights of the last epoch; with cross-validation, their means.

        The search never saw these samples. Raises TaskError if the task has no test set.
        """
        from cotune.training import Isolated  # loads torch

        with Isolated() as isolated:
            return self._folds("test()", isolated).evaluate("test")

    def _folds(self, asked: str, isolated: Isolated) -> Folds:
        """The runs as they were after their last epoch."""
        if self._task is None:
            raise StudyError(
                f"best.{asked} needs the task that was searched, to build the model: open the study with "
                "Study(task, space, path=...). For a function of a trial, load best.state() into your own model."
            )
        from cotune.training import folds  # loads torch

        seed, shared = self._seeds
        found = folds(
            self._task, self.config, self._objectives, isolated=isolated, seed=seed, split_seed=shared, device="cpu"
        )
        found.load_state_dict(self.state()["run"])
        return found

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {shown(value)}" for name, value in self.metrics.items())
        return f"<best: trial {self.number}, {scores}; {dict(self.config)}>"

    def _repr_html_(self) -> str:
        rows = [*self.metrics.items(), *self.config.items()]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(shown(v))}</td></tr>" for name, v in rows)
        return f"<table><caption>best: trial {self.number}</caption>{cells}</table>"
