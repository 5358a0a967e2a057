"""Runs that train together, as lanes of one vectorised pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks

from cotune import seeds
from cotune.config import Config
from cotune.seeds import Purpose
from cotune.training.fused.draws import Draws
from cotune.training.fused.escape import per_lane
from cotune.training.fused.lanewise import Lanewise
from cotune.training.fused.optimizers import Kind, LaneOptimizer, kind_of
from cotune.training.fused.refusal import refused
from cotune.training.fused.signature import LOSS, config_numbers, module_at, numbers
from cotune.training.fused.stacked import Stacked, held
from cotune.training.loop import Run
from cotune.training.samples import Batch, InMemory, Samples

_Key = TypeVar("_Key")


@final
class Population:
    """Runs of one signature, trained epoch by epoch. While it lives, the runs' tensors are views of its own.

    The last lane is a copy of the last run, whose results nobody takes: torch computes the last few numbers of an array
    by other code than the rest, and the only lane of a population by other code than one of many. names_read: what the
    loss has read of its configuration so far.
    """

    def __init__(self, runs: Sequence[Run], *, lifts: bool = True, dtype: torch.dtype | None = None) -> None:
        """runs: of equal signature. lifts: as it was made. dtype: of floating-point data, for tests of equality."""
        self._order = sorted(range(len(runs)), key=lambda at: kind_of(runs[at].optimizer))
        self.runs = [runs[at] for at in self._order]
        lanes = [*self.runs, self.runs[-1]]
        self._lanes, self._dtype = lanes, dtype
        first = lanes[0]
        self._stacked = Stacked([run.model for run in lanes])
        loss = first.forward.criterion.loss
        self._loss = Stacked([_loss(run) for run in lanes]) if isinstance(loss, nn.Module) else None
        self._optimizers = self._side_by_side()
        self._draws = Draws(len(lanes), first.device)
        self._lanewise = Lanewise(self._draws)
        places = numbers(first) if lifts else {}
        own = [{place: getattr(module_at(run, place), place[1]) for place in places} for run in lanes]
        self._numbers = _along_lanes(own, first.device)
        configs = [config_numbers(run.forward.criterion.config) for run in lanes]
        self._configs = _along_lanes(configs if lifts else [{}], first.device)
        self._paced = [run for run in self.runs if run.pacer.has_batches]
        self._norms = self._clipping()
        self.names_read: frozenset[str] = frozenset()

    def train_epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains epoch `epochs[i]` of run i and validates; what `Run.train_epoch` would return for each."""
        totals, n_seen = torch.zeros(len(self.runs), device=self._lanes[0].device), 0
        is_sum = self._lanes[0].task.loss_is_sum
        for batch in self.begin(epochs):
            losses = self.step(batch)
            totals.add_(losses, alpha=1 if is_sum else batch.target.shape[1])
            n_seen += batch.target.shape[1]
        for optimizer in self._optimizers:
            optimizer.lend()
        measured = self.evaluate()
        for run, epoch, metrics, total in zip(self.runs, self._along(epochs), measured, totals.tolist(), strict=False):
            metrics["train_loss"] = total / n_seen
            run.note(epoch, metrics)
        for optimizer in self._optimizers:
            optimizer.refresh()
        return self._back(measured)

    def begin(self, epochs: Sequence[int]) -> Iterator[Batch]:
        """The batches of epoch `epochs[i]` of run i, lanes first; every lane's noise starts anew."""
        self._train_mode(True)
        lanes, epochs = self._lanes, self._along(epochs)
        self._draws.seed([seeds.integer(r.seed, Purpose.NOISE, e) for r, e in zip(lanes, epochs, strict=True)])
        rows = torch.stack([run.order(epoch) for run, epoch in zip(lanes, epochs, strict=True)])
        return _batches(lanes[0].train.samples, rows, lanes[0].batch_size, self._dtype)

    def step(self, batch: Batch) -> Tensor:
        """One step of every run; (K,) losses before it, in the population's order."""
        losses = self.gradients(batch)
        self.update()
        return losses

    def gradients(self, batch: Batch) -> Tensor:
        """(K,) losses of a batch, whose gradients are kept; in the population's order."""
        self._stacked.forget_gradients()
        losses = self._forward(batch)[1]
        try:
            losses.sum().backward()
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise refused(error, self._lanes[0].task.model) from error
        return losses.detach()[: len(self.runs)]

    def update(self) -> None:
        """Clip, update and go on with the schedules."""
        if self._norms is not None:
            _clip(self._stacked.parameters.values(), self._norms)
        for optimizer in self._optimizers:
            optimizer.step()
        if self._paced:
            for run in self._paced:
                run.pacer.after_batch()
            for optimizer in self._optimizers:
                optimizer.refresh()

    def evaluate(self) -> list[dict[str, float]]:
        """Every metric and "loss" of each run on its validation part; in the population's order."""
        self._train_mode(False)
        lanes = self._lanes
        self._draws.seed([seeds.integer(run.seed, Purpose.NOISE) for run in lanes])
        rows = torch.stack([run.splits.validation.rows for run in lanes])
        samples = lanes[0].splits.validation.samples
        total = torch.zeros(len(lanes), dtype=torch.float64)
        outputs, targets = list[Any](), list[Any]()
        size = samples.evaluation_size(lanes[0].batch_size)
        with torch.no_grad():
            for batch in _batches(samples, rows, size, self._dtype):
                output, losses = self._forward(batch)
                total += losses.double().cpu() * (1 if lanes[0].task.loss_is_sum else batch.target.shape[1])
                outputs.append(output)
                targets.append(batch.target)
            scores = [{"loss": value / rows.shape[1]} for value in total.tolist()]
            for score, measured in zip(scores, _measured(lanes[0], outputs, targets), strict=True):
                score |= measured
        return scores[: len(self.runs)]

    def rehearsed(self) -> tuple[Any, Tensor]:
        """Outputs and (K,) losses in evaluation mode on the first training batch of epoch 0."""
        batch = next(self.begin([0] * len(self.runs)))
        self._train_mode(False)
        self._draws.seed([seeds.integer(run.seed, Purpose.NOISE) for run in self._lanes])
        with torch.no_grad():
            return self._forward(batch)

    def release(self) -> None:
        """Give the runs tensors of their own again."""
        for optimizer in self._optimizers:
            optimizer.release()
        self._stacked.release()
        if self._loss is not None:
            self._loss.release()

    def templates(self) -> Sequence[nn.Module]:
        """The model whose code all lanes run, and the loss where it is a module."""
        return [self._stacked.template, *([] if self._loss is None else [self._loss.template])]

    def parameters(self) -> Mapping[str, Tensor]:
        """Name -> (K + 1, ...), in the population's order; the last is the copy."""
        return self._stacked.parameters

    def buffers(self) -> Mapping[str, Tensor]:
        """Name -> (K + 1, ...)."""
        return self._stacked.buffers

    def _forward(self, batch: Batch) -> tuple[Any, Tensor]:
        loss = [] if self._loss is None else self._loss.tensors
        own, of_config = list(self._numbers.values()), list(self._configs.values())
        try:
            with self._lanewise, disable_saved_tensors_hooks("recomputes or moves what its backward pass needs"):
                output, losses = per_lane(
                    lambda values: self._lane(*values), len(self._lanes),
                    (self._stacked.tensors, loss, own, of_config, batch),
                )  # fmt: skip
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise refused(error, self._lanes[0].task.model) from error
        return output, losses

    def _lane(
        self, tensors: list[Tensor], loss: list[Tensor], own: list[Tensor], of_config: list[Tensor], batch: Batch
    ) -> tuple[Any, Tensor]:
        """What one lane computes; runs under vmap."""
        places = list(zip(self._numbers, own, strict=True))
        criterion = self._lanes[0].forward.criterion
        with ExitStack() as stack:
            model = stack.enter_context(self._stacked.inhabited(tensors))
            stack.enter_context(held(model, {place: v for place, v in places if not place[0].startswith(LOSS)}))
            output = model(*batch.inputs, **batch.named)
            applied = criterion.loss
            if self._loss is not None:
                applied = stack.enter_context(self._loss.inhabited(loss))
                changed = {(name[len(LOSS) :], a): v for (name, a), v in places if name.startswith(LOSS)}
                stack.enter_context(held(applied, changed))
            config = criterion.config
            if config is not None:
                config = Config({**dict(config), **dict(zip(self._configs, of_config, strict=True))})
            loss_of_batch = type(criterion)(applied, config, criterion.is_elementwise)(output, batch.target)
            if config is not None:
                self.names_read |= config.read
            return output, loss_of_batch

    def _side_by_side(self) -> list[LaneOptimizer]:
        kinds = [kind_of(run.optimizer) for run in self._lanes]
        found, low = list[LaneOptimizer](), 0
        while low < len(kinds):
            high = low + kinds[low:].count(kinds[low])
            found.append(self._optimizer(kinds[low], slice(low, high)))
            low = high
        return found

    def _optimizer(self, kind: Kind, lanes: slice) -> LaneOptimizer:
        runs = self._lanes[lanes]
        names = [dict[Tensor, str]((p, name) for name, p in run.model.named_parameters()) for run in runs]
        return LaneOptimizer(kind, [run.optimizer for run in runs], names, self._stacked.parameters, lanes)

    def _clipping(self) -> Tensor | None:
        if all(run.max_norm is None for run in self._lanes):
            return None
        norms = [torch.inf if run.max_norm is None else run.max_norm for run in self._lanes]
        return torch.tensor(norms, device=self._lanes[0].device)

    def _train_mode(self, mode: bool) -> None:
        self._stacked.template.train(mode)
        for run in self.runs:
            run.model.train(mode)

    def _along(self, values: Sequence[int]) -> list[int]:
        """One per run, in the order that runs came in -> one per lane."""
        ordered = [values[at] for at in self._order]
        return [*ordered, ordered[-1]]

    def _back(self, values: Sequence[dict[str, float]]) -> list[dict[str, float]]:
        """One per run of the population's order -> in the order that runs came in."""
        return [value for _, value in sorted(zip(self._order, values, strict=True), key=lambda pair: pair[0])]


def _batches(samples: Samples, rows: Tensor, size: int, dtype: torch.dtype | None) -> Iterator[Batch]:
    """Batches of all lanes. rows: (K, n), which samples each lane takes in which order."""
    assert isinstance(samples, InMemory)
    for chosen in rows.to(samples.target.device).split(size, dim=1):
        flat, shape = chosen.flatten(), chosen.shape

        def taken(tensor: Tensor, flat: Tensor = flat, shape: torch.Size = shape) -> Tensor:
            picked = tensor.index_select(0, flat).view(*shape, *tensor.shape[1:])
            return picked.to(dtype) if dtype is not None and picked.is_floating_point() else picked

        named = {name: taken(tensor) for name, tensor in samples.named.items()}
        yield Batch(tuple(taken(tensor) for tensor in samples.inputs), named, taken(samples.target))


def _loss(run: Run) -> nn.Module:
    loss = run.forward.criterion.loss
    assert isinstance(loss, nn.Module)
    return loss


def _along_lanes(lanes: Sequence[Mapping[_Key, float]], device: torch.device) -> dict[_Key, Tensor]:
    """Each number as a (K,) tensor."""
    return {key: torch.tensor([lane[key] for lane in lanes], dtype=torch.float64, device=device) for key in lanes[0]}


def _clip(parameters: Any, norms: Tensor) -> None:
    """Scale each lane's gradient so that its norm is at most `norms` (K,), as torch's clip_grad_norm_ does."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    squared = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])
    total = torch.linalg.vector_norm(squared, dim=0)
    norms = norms.to(total.dtype)
    factor = torch.where(norms == torch.inf, 1.0, (norms / (total + 1e-6)).clamp(max=1.0))  # not inf / inf
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _measured(run: Run, outputs: Sequence[Any], targets: Sequence[Any]) -> list[dict[str, float]]:
    measures: dict[str, Callable[[Tensor, Tensor], Any]] = {
        m.name: m.measure for m in run.task.measures if m.measure is not None
    }
    n_lanes = len(targets[0])
    if not measures:
        return [{} for _ in range(n_lanes)]
    output, target = torch.cat(list(outputs), 1), torch.cat(list(targets), 1)
    return [
        {name: float(measure(output[lane], target[lane])) for name, measure in measures.items()}
        for lane in range(n_lanes)
    ]
