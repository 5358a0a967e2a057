"""Runs that train together, as lanes of one vectorised pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from cotune import seeds
from cotune.seeds import Purpose
from cotune.training.fused.forward import LaneForward
from cotune.training.fused.graphs import Graphs
from cotune.training.fused.lanes import Lanes
from cotune.training.fused.memory import known, modes
from cotune.training.fused.optimizers import LaneOptimizer, kind_of
from cotune.training.fused.outside import Outside
from cotune.training.fused.passes import Passes, Recordings
from cotune.training.fused.signature import EXACT, Form
from cotune.training.fused.ticks import Phase, Tick, n_pieces, phases, pieces, taken, whole
from cotune.training.fused.widths import n_numbers
from cotune.training.loop import Run

Measured = dict[str, float] | Exception
"""The metrics of a run, or what a metric raised on its outputs."""


@final
class Population:
    """Runs of one signature, trained epoch by epoch. While it lives, the runs' tensors are views of its own.

    The last lane is a copy of the last run, whose results nobody takes: torch computes the last few numbers of an array
    by other code than the rest, and the only lane of a population by other code than one of many.
    """

    def __init__(
        self, runs: Sequence[Run], form: Form = EXACT, *, dtype: torch.dtype | None = None,
        recordings: Recordings | None = None,
    ) -> None:  # fmt: skip
        """runs: of equal signature in that form. dtype: of floating-point data, for tests of equality.

        recordings: of passes of such runs; None for its own.
        """
        self._form, self._dtype, self._device = form, dtype, runs[0].device
        lengths = [n_pieces(run.n_used, run.batch_size) if form.is_cut else run.n_batches for run in runs]
        self._phases = phases(lengths)
        through = [sum(length <= phase.until for phase in self._phases) for length in lengths]
        self._kinds = [(through[at], kind_of(run.optimizer)) for at, run in enumerate(runs)]
        sizes = [(run.batch_size, n_numbers(run.model)) for run in runs]
        self._order = sorted(range(len(runs)), key=lambda at: (*self._kinds[at], *sizes[at]))
        self.runs = [runs[at] for at in self._order]
        self._members = [*self.runs, self.runs[-1]]
        self._lanes = Lanes(len(self._members), self._device)
        self._forward = LaneForward(self._members, self._lanes, form)
        self._parameters = self._forward.models.parameters
        self._gradients: dict[str, Tensor] = {}
        self._begun: _Begun | None = None
        self._outside = Outside(self.code.templates, [self._members[0].task.loss])
        self._graphs = Graphs.on(self._device)
        self._passes = Passes(
            self._forward, self._lanes, len(self._parameters), recordings or Recordings(), self._graphs
        )
        self._optimizers = self._side_by_side()
        self._paced = [(lane, run) for lane, run in enumerate(self.runs) if run.pacer.has_batches]
        self._norms = self._clipping()

    def train_epoch(self, epochs: Sequence[int]) -> list[Measured]:
        """Trains epoch `epochs[i]` of run i and validates; what `Run.train_epoch` would return for each, or raise."""
        totals = torch.zeros(len(self.runs), device=self._device)
        for tick in self.begin(epochs):
            losses = self.step(tick)
            totals[: len(losses)].add_(losses * self._counted(tick))
        for optimizer in self._optimizers:
            optimizer.lend()
        measured = self.evaluate()
        for run, epoch, metrics, total in zip(self.runs, self._along(epochs), measured, totals.tolist(), strict=False):
            if not isinstance(metrics, Exception):
                metrics["train_loss"] = total / run.n_used
                run.note(epoch, metrics)
        for optimizer in self._optimizers:
            optimizer.refresh()
        return self._back(measured)

    @property
    def phases(self) -> Sequence[Phase]:
        """How its lanes share out the ticks of an epoch."""
        return self._phases

    def begin(self, epochs: Sequence[int]) -> Iterator[Tick]:
        """What epoch `epochs[i]` of run i consists of; every lane's noise starts anew."""
        self._forward.models.template.train()
        self._begun = None
        state = known(self.code.templates, self._members[0].task.loss)
        self._passes.begin(None if state is None else (state, self._outside.now()), modes(self.code.templates))
        members, epochs = self._members, self._along(epochs)
        self._lanes.seed([seeds.integer(run.seed, Purpose.NOISE, e) for run, e in zip(members, epochs, strict=True)])
        rows = [run.order(epoch) for run, epoch in zip(members, epochs, strict=True)]
        samples = members[0].train.samples
        if self._form.is_cut:
            return pieces(samples, rows, [run.batch_size for run in members], self._phases, self._dtype)
        return whole(samples, torch.stack(rows), members[0].batch_size, self._dtype)

    def step(self, tick: Tick) -> Tensor:
        """One piece of every run that is in the tick; (n,) losses before it, in the population's order."""
        losses = self.gradients(tick)
        self.update(tick)
        return losses

    def gradients(self, tick: Tick) -> Tensor:
        """(n,) losses of a piece, whose gradients are added to those of the batch so far; in the population's order."""
        self._lanes.enter(tick)
        losses, found = self._passes(tick.batch)
        named = zip(self._parameters, found, strict=True)
        self._gradients = {name: gradient for name, gradient in named if gradient is not None}
        if self._begun is not None:
            self._begun.add_to(self._gradients)
        amid = None if tick.parts is None else tick.parts.amid
        self._begun = None if amid is None else _begun(amid, self._gradients)
        return losses[:-1]

    def update(self, tick: Tick) -> None:
        """Lanes whose batch is complete: clip, update, and go on with the schedules."""
        if any(tick.steps):
            with torch.no_grad():
                if self._norms is not None:
                    _clip(self._gradients.values(), self._norms[: len(tick.steps)], tick.steps)
                for optimizer in self._optimizers:
                    optimizer.step(tick.steps, self._gradients)
            paced = [run for lane, run in self._paced if lane < len(tick.steps) and tick.steps[lane]]
            for run in paced:
                run.pacer.after_batch()
            for optimizer in self._optimizers if paced else ():
                optimizer.refresh()

    def evaluate(self) -> list[Measured]:
        """Every metric and "loss" of each run on its validation part; in the population's order."""
        self._enter_evaluation()
        members = self._members
        rows = torch.stack([run.splits.validation.rows for run in members])
        samples, is_sum = members[0].splits.validation.samples, members[0].task.loss_is_sum
        total = torch.zeros(len(members), dtype=torch.float64)
        outputs, targets = list[Any](), list[Any]()
        size = samples.evaluation_size(1 if self._form.is_cut else members[0].batch_size)
        with torch.no_grad():
            for chosen in rows.split(size, dim=1):
                batch = taken(samples, chosen, self._dtype)
                output, losses = self._forward(batch)
                total += losses.double().cpu() * (1 if is_sum else chosen.shape[1])
                outputs.append(output)
                targets.append(batch.target)
            n = len(self.runs)
            losses_of = [{"loss": value / rows.shape[1]} for value in total[:n].tolist()]
            measured = _measured(members[0], outputs, targets, n)
        return [
            own if isinstance(own, Exception) else loss | own for loss, own in zip(losses_of, measured, strict=True)
        ]

    def rehearsed(self, n: int) -> tuple[Any, Tensor]:
        """Outputs and (K,) losses in evaluation mode on the first n training samples of epoch 0."""
        self._enter_evaluation()
        rows = torch.stack([run.order(0)[:n] for run in self._members])
        with torch.no_grad():
            return self._forward(taken(self._members[0].train.samples, rows, self._dtype))

    def release(self) -> None:
        """Give the runs tensors of their own again."""
        for optimizer in self._optimizers:
            optimizer.release()
        self._forward.release()
        for run in self.runs:
            run.model.eval()  # as after a validation

    @property
    def code(self) -> LaneForward:
        """What all lanes run."""
        return self._forward

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Name -> (K + 1, ...), in the population's order; the last is the copy."""
        return self._parameters

    def gradient(self, name: str) -> Tensor | None:
        """Of a parameter, (n, ...), of the lanes that were in the last tick."""
        return self._gradients.get(name)

    @property
    def n_graphs(self) -> int:
        """CUDA graphs in use."""
        return 0 if self._graphs is None else self._graphs.n_used

    @property
    def buffers(self) -> Mapping[str, Tensor]:
        """Name -> (K + 1, ...)."""
        return self._forward.models.buffers

    def _counted(self, tick: Tick) -> Tensor | float:
        """By what a loss is multiplied so that an epoch's losses add up to the sum over its samples."""
        if tick.parts is not None:
            return torch.from_numpy(tick.parts.size[:-1]).to(self._device)
        return 1.0 if self._members[0].task.loss_is_sum else float(tick.batch.target.shape[1])

    def _side_by_side(self) -> list[LaneOptimizer]:
        kinds = [self._kinds[at] for at in (*self._order, self._order[-1])]
        found, low = list[LaneOptimizer](), 0
        while low < len(kinds):
            lanes = slice(low, low + kinds[low:].count(kinds[low]))
            runs = self._members[lanes]
            names = [dict[Tensor, str]((p, name) for name, p in run.model.named_parameters()) for run in runs]
            optimizers = [run.optimizer for run in runs]
            found.append(LaneOptimizer(kinds[low][1], optimizers, names, self._parameters, lanes, self._graphs))
            low = lanes.stop
        return found

    def _clipping(self) -> Tensor | None:
        if all(run.max_norm is None for run in self._members):
            return None
        norms = [torch.inf if run.max_norm is None else run.max_norm for run in self._members]
        return torch.tensor(norms, dtype=torch.float64, device=self._device)

    def _enter_evaluation(self) -> None:
        """As `Run.evaluate` begins: in evaluation mode, with its noise."""
        self._forward.models.template.eval()
        self._lanes.seed([seeds.integer(run.seed, Purpose.NOISE) for run in self._members])
        self._lanes.enter(None)

    def _along(self, values: Sequence[int]) -> list[int]:
        """One per run, in the order that runs came in -> one per lane."""
        ordered = [values[at] for at in self._order]
        return [*ordered, ordered[-1]]

    def _back(self, values: Sequence[Measured]) -> list[Measured]:
        """One per run of the population's order -> in the order that runs came in."""
        return [value for _, value in sorted(zip(self._order, values, strict=True), key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class _Begun:
    """The gradients of batches that are not complete, by parameter: (m, ...) of m lanes."""

    lanes: Tensor
    gradients: Mapping[str, Tensor]

    def add_to(self, gradients: dict[str, Tensor]) -> None:
        """To those of the batches' next pieces, (n, ...)."""
        for name, gradient in self.gradients.items():
            gradients[name].index_add_(0, self.lanes, gradient)


def _begun(lanes: Tensor, gradients: Mapping[str, Tensor]) -> _Begun:
    """Of the lanes that are amid a batch after a piece."""
    return _Begun(lanes, {name: gradient.index_select(0, lanes) for name, gradient in gradients.items()})


def _clip(gradients: Collection[Tensor], norms: Tensor, steps: Sequence[bool]) -> None:
    """Scale the gradient of each lane that steps so that its norm is at most `norms` (K,), as clip_grad_norm_ does."""
    squared = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])
    total = torch.linalg.vector_norm(squared, dim=0)
    norms = norms.to(total.dtype)
    is_clipped = torch.tensor(steps, device=norms.device) & (norms != torch.inf)  # not inf / inf
    factor = (norms / (total + 1e-6)).clamp(max=1.0).where(is_clipped, 1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _measured(run: Run, outputs: Sequence[Any], targets: Sequence[Any], n: int) -> list[Measured]:
    """Every metric but the loss, of the first n lanes."""
    measures = [metric for metric in run.task.measures if metric.measure is not None]
    if not measures:
        return [{} for _ in range(n)]
    output, target = torch.cat(list(outputs), 1)[:n], torch.cat(list(targets), 1)[:n]
    columns = [metric.of_lanes(output, target) for metric in measures]
    return [_row([metric.name for metric in measures], values) for values in zip(*columns, strict=True)]


def _row(names: Sequence[str], values: Sequence[float | Exception]) -> Measured:
    row = dict[str, float]()
    for name, value in zip(names, values, strict=True):
        if isinstance(value, Exception):
            return value
        row[name] = value
    return row
