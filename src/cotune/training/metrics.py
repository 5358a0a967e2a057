"""Accuracy, F1, AUC, MSE, MAE and R2, for one model or for many at once.

The six functions take `outputs` (..., n, classes) as logits with integer `targets` (..., n), or `outputs` (..., n) with
`targets` (..., n) for binary scores and regression. Leading dimensions are lanes, and the result (...) is float64.
A value that is undefined is NaN. Two binary classes are told apart by one score at `threshold`.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from cotune.errors import TaskError

_COMPARED = 1024
"""Up to so many samples, comparing all pairs is several times faster than sorting."""

Measure = Callable[[Tensor, Tensor], Any]


def accuracy(outputs: Tensor, targets: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Share of samples whose class is predicted."""
    return (_predicted(outputs, targets, threshold) == targets).double().mean(-1)


def f1(outputs: Tensor, targets: Tensor, *, threshold: float = 0.0) -> Tensor:
    """F1 averaged over the classes that occur in targets or predictions (macro), also for two classes."""
    predicted = _predicted(outputs, targets, threshold)
    n_classes = outputs.shape[-1] if outputs.ndim > targets.ndim else 2
    true = _counts(targets, targets.new_ones((), dtype=torch.long).expand_as(targets), n_classes)
    guessed = _counts(predicted, torch.ones_like(predicted), n_classes)
    hits = _counts(predicted, (predicted == targets).long(), n_classes)
    total = (true + guessed).double()
    return (2 * hits / total).nan_to_num(0.0).sum(-1) / (total > 0).sum(-1)


def auc(outputs: Tensor, targets: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Area under the ROC curve: one class against the rest, averaged over classes with samples on both sides.

    Ties count half (the Mann-Whitney statistic). NaN if no class has both sides, or if a score is NaN. threshold: of no
    effect, taken so that all classification metrics are called alike.
    """
    if outputs.ndim > targets.ndim:
        scores = (
            outputs.detach().double().log_softmax(-1).transpose(-1, -2)
        )  # in float64, or near-certain scores would tie
        if targets.shape[-1] <= _COMPARED:
            return _area_by_pairs(scores.contiguous(), targets)
        classes = torch.arange(outputs.shape[-1], device=targets.device)
        positive = targets.unsqueeze(-2) == classes.unsqueeze(-1)
    else:
        scores, positive = outputs.double().unsqueeze(-2), (targets > 0.5).unsqueeze(-2)
    areas = _area(scores.contiguous(), positive)
    broken = scores.isnan().any(-1).any(-1)
    return areas.nanmean(-1).masked_fill(broken, torch.nan)


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error."""
    return (outputs.double() - targets.double()).square().mean(-1)


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error."""
    return (outputs.double() - targets.double()).abs().mean(-1)


def r2(outputs: Tensor, targets: Tensor) -> Tensor:
    """Coefficient of determination; for a constant target 1 if met exactly, else 0. NaN for fewer than two samples."""
    targets = targets.double()
    residual = (outputs.double() - targets).square().sum(-1)
    total = (targets - targets.mean(-1, keepdim=True)).square().sum(-1)
    constant = (targets == targets[..., :1]).all(-1)
    value = torch.where(constant, (residual == 0).double(), 1 - residual / total)
    return torch.where(residual.isnan() | (targets.shape[-1] < 2), torch.nan, value)


def _predicted(outputs: Tensor, targets: Tensor, threshold: float) -> Tensor:
    return outputs.argmax(-1) if outputs.ndim > targets.ndim else (outputs > threshold).long()


def _counts(classes: Tensor, weights: Tensor, n_classes: int) -> Tensor:
    """Sum of integer `weights` per class: (..., n) -> (..., n_classes)."""
    zeros = weights.new_zeros((*classes.shape[:-1], n_classes))
    return zeros.scatter_add_(-1, classes.long(), weights)


def _area_by_pairs(scores: Tensor, targets: Tensor) -> Tensor:
    """(...) what `auc` wants of scores (..., classes, n), by comparing every sample with all others in its own class.

    A sample's average rank among n, from 1, is (n + 1 + number below - number above) / 2.
    """
    n_classes, n = scores.shape[-2:]
    every, own = scores.view(-1, n_classes, n), targets.reshape(-1, n)
    signs, others, compared = scores.new_empty(len(own), n), scores.new_empty(n, n), scores.new_empty(n, n)
    for sign, of_classes, classes in zip(signs, every, own, strict=True):
        torch.index_select(of_classes, 0, classes, out=others)
        score = of_classes.gather(0, classes[None])[0]
        torch.sum(torch.sub(score[:, None], others, out=compared).sign_(), -1, out=sign)
    zeros = scores.new_zeros(len(own), n_classes)
    n_positive = zeros.scatter_add(1, own, torch.ones_like(signs))
    excess = zeros.scatter_add(1, own, (n + 1 + signs) / 2) - n_positive * (n_positive + 1) / 2
    areas = excess / (n_positive * (n - n_positive))
    means = torch.stack([area.nanmean() for area in areas])  # one by one: sums of many rows may be rounded otherwise
    broken = scores.isnan().flatten(-2).any(-1)
    return means.view(targets.shape[:-1]).masked_fill(broken, torch.nan)


def _area(scores: Tensor, positive: Tensor) -> Tensor:
    """Mann-Whitney statistic of scores (..., n), the chance that a positive outranks a negative; NaN without both."""
    ordered = scores.sort(-1).values
    below = torch.searchsorted(ordered, scores)
    rank = (below + torch.searchsorted(ordered, scores, right=True) + 1) / 2  # average rank of a tie, from 1
    n_positive = positive.sum(-1).double()
    n_negative = positive.shape[-1] - n_positive
    excess = (rank.double() * positive).sum(-1) - n_positive * (n_positive + 1) / 2
    return excess / (n_positive * n_negative)


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """A named number to report. maximize: None if the direction is not known. measure: None for the task's loss."""

    name: str
    maximize: bool | None
    measure: Measure | None

    def of_lanes(self, outputs: Tensor, targets: Tensor) -> list[float | Exception]:
        """The metric of each of K models, from outputs (K, n, ...) and targets (K, n, ...), as `measure` gives it.

        What it raises on one model's outputs stands in that model's place.
        """
        assert self.measure is not None
        if isinstance(self.measure, _Columns) and self.measure.takes_lanes(outputs, targets):
            measured: list[float | Exception] = self.measure.function(outputs, targets, **self.measure.options).tolist()
            return measured
        return [self._tried(output, target) for output, target in zip(outputs, targets, strict=True)]

    def _tried(self, output: Tensor, target: Tensor) -> float | Exception:
        assert self.measure is not None
        try:
            return float(self.measure(output, target))
        except Exception as error:  # noqa: BLE001 - a user's metric
            return error


_CLASSIFICATION = {"accuracy": accuracy, "f1": f1, "auc": auc}
_REGRESSION: Mapping[str, tuple[bool, Measure]] = {"mse": (False, mse), "mae": (False, mae), "r2": (True, r2)}
SHARES = frozenset(_CLASSIFICATION)
"""Those that lie between 0 and 1."""
NAMES = ("loss", *_CLASSIFICATION, *_REGRESSION)


def parse(metrics: object, *, threshold: float, ignored: int | None) -> tuple[Metric, ...]:
    """The `metrics=` of a Task: names, callables `metric(output, target)`, or torchmetrics objects.

    threshold: of a positive prediction from one score. ignored: a target class to leave out (a loss's `ignore_index`).
    TaskError names what cannot be used.
    """
    chosen = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
    if not isinstance(chosen, Sequence) or not chosen:
        raise TaskError(f"metrics= takes a list of names or callables, got {metrics!r}. Use e.g. ['accuracy'].")
    parsed = tuple(_metric(metric, threshold, ignored) for metric in chosen)
    names = [metric.name for metric in parsed]
    for name in names:
        if names.count(name) > 1 or name == "train_loss":
            raise TaskError(f"metrics= needs distinct names other than 'train_loss', got {names}. Rename {name!r}.")
    return parsed


def _metric(metric: object, threshold: float, ignored: int | None) -> Metric:
    if isinstance(metric, str):
        return _named(metric, threshold, ignored)
    if not callable(metric):
        raise TaskError(f"metrics= takes names and callables, got {metric!r}. Names are {', '.join(NAMES)}.")
    name = getattr(metric, "__name__", type(metric).__name__)
    resets, computes = getattr(metric, "reset", None), getattr(metric, "compute", None)
    if callable(resets) and callable(computes):  # a torchmetrics object, or one that behaves like it
        return Metric(name, getattr(metric, "higher_is_better", None), _Stateful(metric))
    return Metric(name, None, metric)


def _named(name: str, threshold: float, ignored: int | None) -> Metric:
    if name == "loss":
        return Metric(name, False, None)
    if name in _CLASSIFICATION:
        return Metric(name, True, _Columns(name, _CLASSIFICATION[name], {"threshold": threshold}, ignored))
    if name in _REGRESSION:
        maximize, function = _REGRESSION[name]
        return Metric(name, maximize, _Columns(name, function, {}, None))
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Names are {', '.join(NAMES)}; or pass a callable."
    raise TaskError(f"metrics= does not know {name!r}. {hint}")


@final
@dataclass(frozen=True, slots=True)
class _Stateful:
    """A metric with a state of its own: every call starts from a fresh copy."""

    metric: Any

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        metric = copy.deepcopy(self.metric)
        if isinstance(metric, torch.nn.Module):
            metric = metric.to(outputs.device)
        metric.reset()
        return metric(outputs, targets)


@final
@dataclass(frozen=True, slots=True)
class _Columns:
    """A named metric on what a model puts out; several target columns are scored each on its own and averaged."""

    name: str
    function: Callable[..., Tensor]
    options: Mapping[str, float]
    ignored: int | None

    def takes_lanes(self, outputs: Tensor, targets: Tensor) -> bool:
        """Whether many models' outputs (K, n, classes), targets (K, n) can be measured in one go."""
        if self.name not in _CLASSIFICATION or outputs.ndim != 3 or targets.ndim != 2 or outputs.shape[-1] == 1:
            return False
        return self.ignored is None or not bool((targets == self.ignored).any())

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        if outputs.ndim == targets.ndim + 1 and outputs.shape[1] != 1 and self.name in _CLASSIFICATION:
            outputs, targets = outputs.movedim(1, -1).flatten(0, -2), targets.flatten()
        elif outputs.numel() == targets.numel():
            outputs, targets = _column_lanes(outputs.view_as(targets)), _column_lanes(targets)
        else:
            raise TaskError(
                f"metric {self.name!r} cannot compare outputs {tuple(outputs.shape)} with targets "
                f"{tuple(targets.shape)}. Pass a callable(output, target) that can."
            )
        if self.ignored is not None and targets.ndim == 1:
            kept = targets != self.ignored
            outputs, targets = outputs[kept], targets[kept]
        return float(self.function(outputs, targets, **self.options).mean())


def _column_lanes(values: Tensor) -> Tensor:
    """(n,) and (n, 1) -> (n,), (n, k) -> (k, n), anything deeper -> one row of numbers."""
    return values.T.contiguous() if values.ndim == 2 and values.shape[1] > 1 else values.flatten()
