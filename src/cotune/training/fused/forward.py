"""The models and losses of many runs as one function of their batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks

from cotune.config import Config
from cotune.training.fused import zeros
from cotune.training.fused.escape import per_lane
from cotune.training.fused.lanes import Lanes
from cotune.training.fused.lanewise import Lanewise
from cotune.training.fused.precision import Casts
from cotune.training.fused.refusal import Unfusable, told_by_line
from cotune.training.fused.signature import LOSS, Form, config_numbers, module_at, numbers
from cotune.training.fused.stacked import Stacked, held
from cotune.training.fused.widths import Padding
from cotune.training.loop import Run
from cotune.training.samples import Batch

_Key = TypeVar("_Key")


class Inputs(NamedTuple):
    """What a pass is computed from, each (n, ...): the models' tensors, parameters first, and those of the losses.

    own, of_config: the numbers in which lanes differ, of modules and of what the loss reads of its configuration.
    """

    models: list[Tensor]
    losses: list[Tensor]
    own: list[Tensor]
    of_config: list[Tensor]
    batch: Batch


@final
class LaneForward:
    """What `Forward` is for one run, for K runs of one signature.

    models: their stacked tensors. builder: the function that made them. names_read: what the loss has read of its
    configuration so far.
    """

    def __init__(self, runs: Sequence[Run], lanes: Lanes, form: Form) -> None:
        first, device, lifts = runs[0], runs[0].device, form.lifts
        self.models = Stacked([run.model for run in runs], form.padding)
        self._criterion, self.builder = first.forward.criterion, first.task.model
        self.names_read: frozenset[str] = frozenset()
        losses = [run.forward.criterion.loss for run in runs]
        modules = [loss for loss in losses if isinstance(loss, nn.Module)]
        self._losses = Stacked(modules) if modules else None
        self._marks = _marks([run.model for run in runs], form.padding, self.models)
        self._precision = first.forward.precision
        casts = Casts(device) if first.task.amp else None
        self._lanewise = Lanewise(lanes, follows_zeros=bool(form.padding), casts=casts)
        places = numbers(first) if lifts else {}
        own = [{place: getattr(module_at(run, place), place[1]) for place in places} for run in runs]
        configs = [config_numbers(run.forward.criterion.config) if lifts else {} for run in runs]
        self._numbers, self._configs = _along_lanes(own, device), _along_lanes(configs, device)

    def __call__(self, batch: Batch) -> tuple[Any, Tensor]:
        """The models' outputs, and the losses (n,), of as many of the first lanes as the batch has.

        Raises Unfusable with the line that cannot be vectorised.
        """
        return self.run(self.inputs(batch))

    def inputs(self, batch: Batch) -> Inputs:
        """All that the pass over a batch is computed from."""
        n = len(batch.target)
        losses = [] if self._losses is None else self._losses.tensors(n)
        own, of_config = ([value[:n] for value in some.values()] for some in (self._numbers, self._configs))
        return Inputs(self.models.tensors(n), losses, own, of_config, batch)

    def run(self, inputs: Inputs) -> tuple[Any, Tensor]:
        """As for a batch, with these tensors in place of what the lanes have."""
        n = len(inputs.batch.target)
        no_hooks = disable_saved_tensors_hooks("recomputes or moves what its backward pass needs")
        with told_by_line(self.builder), self._precision, self._lanewise, no_hooks:
            self._lanewise.refusal = None
            output, loss = per_lane(lambda values: self._lane(*values), n, inputs)
            if self._lanewise.refusal is not None:
                raise self._lanewise.refusal
        return output, loss

    @property
    def templates(self) -> Sequence[nn.Module]:
        """The model whose code all lanes run, and the loss where it is a module."""
        return [self.models.template, *([] if self._losses is None else [self._losses.template])]

    def release(self) -> None:
        """Give the runs' models and losses tensors of their own again."""
        self.models.release()
        if self._losses is not None:
            self._losses.release()

    def _lane(
        self, tensors: list[Tensor], losses: list[Tensor], own: list[Tensor], of_config: list[Tensor], batch: Batch
    ) -> tuple[Any, Tensor]:
        """What one lane computes; runs under vmap."""
        self._lanewise.begin(tensors[: len(self.models.parameters)])
        lifted = dict(zip(self._numbers, own, strict=True))
        criterion = self._criterion
        for tensor, marks in zip(tensors, self._marks, strict=True):
            zeros.mark(tensor, marks)
        with ExitStack() as stack:
            model = stack.enter_context(self.models.inhabited(tensors))
            stack.enter_context(held(model, {place: v for place, v in lifted.items() if not place[0].startswith(LOSS)}))
            output = model(*batch.inputs, **batch.named)
            if zeros.is_near([output]):
                raise Unfusable("has an output whose size differs from lane to lane")
            loss = criterion.loss
            if self._losses is not None:
                loss = stack.enter_context(self._losses.inhabited(losses))
                changed = {(at.removeprefix(LOSS), name): v for (at, name), v in lifted.items() if at.startswith(LOSS)}
                stack.enter_context(held(loss, changed))
            config = criterion.config
            if config is not None:
                config = Config({**dict(config), **dict(zip(self._configs, of_config, strict=True))})
            result = type(criterion)(loss, config, criterion.is_elementwise)(output, batch.target)
            if config is not None:
                self.names_read |= config.read
            return output, result


def _marks(models: Sequence[nn.Module], padding: Padding | None, stacked: Stacked) -> list[zeros.Marks]:
    """Of every parameter and buffer, where it is filled up."""
    dims = dict(padding.dims) if padding else {}
    own = [{**dict(model.named_parameters()), **dict(model.named_buffers())} for model in models]
    return [
        {at: tuple(lane[name].shape[at] for lane in own) for at, to in enumerate(dims.get(name, ())) if to is not None}
        for name in (*stacked.parameters, *stacked.buffers)
    ]


def _along_lanes(lanes: Sequence[Mapping[_Key, float]], device: torch.device) -> dict[_Key, Tensor]:
    """Each number as a (K,) tensor."""
    return {key: torch.tensor([lane[key] for lane in lanes], dtype=torch.float64, device=device) for key in lanes[0]}
