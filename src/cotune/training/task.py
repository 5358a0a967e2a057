"""A Task: data, model builder, loss and metrics, checked when it is made."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cotune.config import Config
from cotune.errors import TaskError
from cotune.training.devices import check_device, present
from cotune.training.divisions import (
    Division,
    Holdout,
    KFold,
    TimeSeries,
    check_share,
    foreign,
    is_splitter,
    numbered,
)
from cotune.training.metrics import Metric, parse
from cotune.training.samples import is_pair, samples
from cotune.training.splits import Sources, Splits

ModelBuilder = Callable[[Config], nn.Module]
OptimizerBuilder = Callable[[Any, Config], Optimizer]
ScheduleBuilder = Callable[[Optimizer, Config], LRScheduler]
UserStep = Callable[[nn.Module, Any, Optimizer, Config], Tensor]

_DEFAULT_VALIDATION = 0.2
_ELEMENTWISE = (nn.BCELoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What is trained, on what, and how it is judged.

    model: config -> nn.Module, called anew for every run.
    data: (x, ..., y) tensors or arrays, a dict of them with the target under "target", "label", "labels" or "y", a
        torch Dataset, or a pair (train, validation) of these. Tensors are kept whole on the device.
    loss: (output, target) or (output, target, config) -> scalar.
    metrics: names or callables (see `cotune.training.metrics`); the first one is the objective.
    epochs: the most that a run trains; `config["epochs"]` may ask for fewer.
    optimizer: (parameters, config) -> torch optimiser. None: named by the configuration.
    schedule: (optimiser, config) -> torch scheduler, stepped after every epoch; after every batch if it is a OneCycleLR
        or a CyclicLR or has `total_steps` above the epochs. None: named by the configuration.
    validation: a share, a `Holdout`, `KFold`, `TimeSeries`, a splitter of scikit-learn's, or data of its own. test: a
        share, data of its own, or None; sealed, split off first.
    groups: (n,) names of what belongs together (a patient, a day); no split divides a group.
    step: (model, batch, optimiser, config) -> loss; replaces the training step. The batch is (x, ..., target), or a
        dict with the target under "target". It does its own zero_grad, backward and step.
    device: "auto" takes CUDA where it is; in a study, what its executor says. amp: mixed precision (bfloat16; float16
        with scaled losses on CUDA devices that lack it).
    num_workers: processes that read a Dataset.
    """

    model: ModelBuilder
    data: Any = field(repr=False)
    loss: Callable[..., Tensor]
    metrics: Any = "loss"
    epochs: int = 10
    optimizer: OptimizerBuilder | None = None
    schedule: ScheduleBuilder | None = None
    validation: Any = field(default=_DEFAULT_VALIDATION, repr=False)
    test: Any = field(default=None, repr=False)
    groups: Any = field(default=None, repr=False)
    step: UserStep | None = None
    device: str | torch.device = "auto"
    amp: bool = False
    num_workers: int = 0
    measures: tuple[Metric, ...] = field(init=False, repr=False)
    loss_reads_config: bool = field(init=False, repr=False)
    _sources: Sources = field(init=False, repr=False)
    _on_device: dict[torch.device, Sources] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        _check_callables(self)
        _check_numbers(self)
        check_device(self.device)
        threshold = 0.5 if isinstance(self.loss, nn.BCELoss) else 0.0  # BCELoss takes probabilities, others logits
        ignored = getattr(self.loss, "ignore_index", None)
        object.__setattr__(self, "measures", parse(self.metrics, threshold=threshold, ignored=ignored))
        object.__setattr__(self, "loss_reads_config", _takes_config(self.loss))
        object.__setattr__(self, "_sources", _sources(self))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_device": {}}  # copies on a device are made again where the task arrives

    @property
    def objective(self) -> tuple[str, bool | None]:
        """The first metric's name, and whether more is better; None for a callable that does not say."""
        return self.measures[0].name, self.measures[0].maximize

    @property
    def n_folds(self) -> int:
        """How many models a trial trains."""
        return 1 if self.division is None else self.division.n_folds

    @property
    def n_together(self) -> int:
        """How many of them train at a time: all, or one where folds train one after another."""
        return 1 if self.division is not None and self.division.race else self.n_folds

    @property
    def steps(self) -> int:
        """The most epochs that a trial trains, one model after another counted."""
        return self.epochs * (self.n_folds // self.n_together)

    @property
    def division(self) -> Division | None:
        """How samples are divided into those that train and those that validate; None where these are given."""
        return self._sources.division

    @property
    def loss_is_elementwise(self) -> bool:
        """Whether the loss compares numbers of equal shape, so that a target (n,) belongs to an output (n, 1)."""
        return isinstance(self.loss, _ELEMENTWISE)

    @property
    def loss_is_sum(self) -> bool:
        """Whether the loss adds up over a batch's samples instead of averaging."""
        return getattr(self.loss, "reduction", "mean") == "sum"

    def on(self, device: str | torch.device | None = None) -> torch.device:
        """`device`, or the task's own, as a torch device. TaskError if there is none of that name on this machine."""
        chosen = device or self.device
        check_device(chosen)
        return present(chosen)

    def splits(self, *, seed: int, split_seed: int, device: torch.device, fold: int = 0) -> Splits:
        """The parts of the data for one run, on `device`; tensors are moved there once per task."""
        if device not in self._on_device:
            self._on_device[device] = self._sources.to(device)
        return self._on_device[device].split(split_seed=split_seed, seed=seed, fold=fold)

    def confirming(self) -> Task:
        """The same task, where every run has validation samples of its own; equal if there are no others."""
        division = self._sources.division
        return self if division is None else self._with(replace(self._sources, division=division.reshuffled()))

    def undivided(self) -> Task:
        """The same task, where all that is not sealed trains; its metrics are those on what it trained on."""
        return self._with(self._sources.undivided())

    def outer(self, folds: int | KFold | TimeSeries = 5, *, seed: int = 0) -> list[Task]:
        """The task once for each outer fold of nested cross-validation: the fold's samples are its sealed test set.

        A search over each, `Study(part, space, path=f"runs/{i}").optimize(trials=50).best.test()`, says how good what
        the whole search finds is on average. folds: how many, or a `KFold` or `TimeSeries`. seed: of the folds. Raises
        TaskError if the task seals samples already.
        """
        if self._sources.has_sealed:
            raise TaskError("task.outer() seals each fold in turn; leave test= out of the task, and outer folds whole.")
        division = KFold(folds) if isinstance(folds, int) else folds
        if not isinstance(division, (KFold, TimeSeries)):
            raise TaskError(
                f"task.outer(folds={folds!r}) takes a number of folds, ct.KFold(...) or ct.TimeSeries(...)."
            )
        return [self._with(sources) for sources in self._sources.outer(division, seed)]

    def _with(self, sources: Sources) -> Task:
        other = copy.copy(self)
        object.__setattr__(other, "_sources", sources)
        object.__setattr__(other, "_on_device", {})
        return other


def _sources(task: Task) -> Sources:
    data, validation = task.data, task.validation
    if is_pair(data):
        if validation != _DEFAULT_VALIDATION:
            raise TaskError("data= is a pair (train, validation), so validation= must be left out; got both.")
        data, validation = data
    whole = samples(data, "data", task.num_workers)
    groups = None if task.groups is None else numbered(task.groups, len(whole))
    source = _validated(Sources(whole, groups=groups), validation, task.num_workers)
    if task.test is None:
        return source
    if isinstance(task.test, (int, float)):
        return replace(source, test_share=check_share(task.test, "test="))
    return replace(source, test=samples(task.test, "test", task.num_workers))


def _validated(source: Sources, validation: Any, workers: int) -> Sources:
    if isinstance(validation, (Holdout, KFold, TimeSeries)):
        return replace(source, division=validation)
    if validation is None or isinstance(validation, (int, float)):
        return replace(source, division=Holdout(check_share(validation, "validation=")))
    if isinstance(validation, type):
        raise TaskError(f"validation={validation.__name__} is a class; pass an object: {validation.__name__}(...).")
    if is_splitter(validation):
        return replace(source, division=foreign(validation, source.pool))
    return replace(source, validation=samples(validation, "validation", workers))


def _check_callables(task: Task) -> None:
    if isinstance(task.model, nn.Module):
        raise TaskError("model= got a module, but every run needs a new one; pass a function: model=lambda c: ...")
    _check_callable("model", task.model, "(config) -> nn.Module")
    _check_callable("loss", task.loss, "(output, target) -> scalar, e.g. nn.CrossEntropyLoss()")
    if isinstance(task.loss, type):
        raise TaskError(f"loss= got the class {task.loss.__name__}; pass an object: {task.loss.__name__}().")
    if getattr(task.loss, "reduction", "mean") == "none":
        raise TaskError("loss= has reduction='none', but training needs one number; use reduction='mean'.")
    for name, meaning in {
        "optimizer": "(parameters, config) -> torch optimiser",
        "schedule": "(optimizer, config) -> torch scheduler",
        "step": "(model, batch, optimizer, config) -> loss",
    }.items():
        if getattr(task, name) is not None:
            _check_callable(name, getattr(task, name), meaning)
    if task.step is not None and task.amp:
        raise TaskError("amp=True has no effect with step=; use torch.autocast inside the step and leave amp out.")


def _check_callable(name: str, value: object, meaning: str) -> None:
    if not callable(value):
        raise TaskError(f"{name}= must be a function {meaning}, got {value!r}.")


def _check_numbers(task: Task) -> None:
    for name, low in {"epochs": 1, "num_workers": 0}.items():
        value = getattr(task, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise TaskError(f"{name}= must be an integer of at least {low}, got {value!r}.")
    if not isinstance(task.amp, bool):
        raise TaskError(f"amp= must be True or False, got {task.amp!r}.")


def _takes_config(loss: Callable[..., Tensor]) -> bool:
    """Whether the loss wants (output, target, config): three positional parameters without a default."""
    if isinstance(loss, nn.Module):
        loss = loss.forward
    try:
        parameters: Sequence[inspect.Parameter] = list(inspect.signature(loss).parameters.values())
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 3
