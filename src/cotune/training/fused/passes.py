"""The passes over batches of a population: made by the models' code, and once that is known, by a recording of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from cotune.training.fused.escape import mapped, tensors
from cotune.training.fused.forward import Inputs, LaneForward
from cotune.training.fused.lanes import Lanes, Notes
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.tape import Replay, Tape, Unrecordable
from cotune.training.samples import Batch

Result = tuple[Tensor, Sequence[Tensor | None]]
"""The losses (n,) before an update, and the gradients of the models' parameters, (n, ...) each or None."""

_BELIEVED = 2
"""A recording is used after it gave the same bits as the code in so many passes, the first of which it is made of."""


@dataclass(slots=True)
class _Known:
    """What is known of passes over tensors of some shapes. n_seen: of them, made by the code.

    replay: of losses, gradients and flags, with what it needs drawn (`Notes.draws`); which: the parameters that have
    gradients. n_right: how often it was right; None after it was not, or could not be made.
    """

    n_seen: int = 0
    n_right: int | None = 0
    replay: Replay | None = None
    which: Sequence[int] = ()
    notes: Notes = field(default_factory=Notes)


@final
class Passes:
    """Losses and gradients of the lanes of one population.

    The second pass over tensors of the same shapes is recorded. Where nothing but tensors goes into a pass, the
    recording makes the same calls to torch; before it is used, it has to give the same bits twice.
    """

    def __init__(self, forward: LaneForward, lanes: Lanes, n_parameters: int) -> None:
        """n_parameters: so many of the inputs' tensors, from the first on, are the models' parameters."""
        self._forward, self._lanes, self._n = forward, lanes, n_parameters
        self._known: dict[Hashable, _Known] = {}

    def __call__(self, batch: Batch) -> Result:
        """Of as many of the first lanes as the batch has. Raises what the models' code raises."""
        inputs = self._forward.inputs(batch)
        given = [*inputs.models, *inputs.losses, *inputs.own, *inputs.of_config, *tensors(batch)]
        given += [] if self._lanes.weights is None else [self._lanes.weights]
        known = self._known.setdefault(tuple(tensor.shape for tensor in given), _Known())
        if known.n_right == _BELIEVED:
            return self._replayed(known, given)
        known.n_seen += 1
        if known.n_seen == 1 or known.n_right is None:
            return self._made(inputs)
        return self._watched(known, inputs, given)

    def _made(self, inputs: Inputs) -> Result:
        losses = self._forward.run(inputs)[1]
        parameters = [parameter for parameter in inputs.models[: self._n] if parameter.requires_grad]
        found = iter(torch.autograd.grad(losses.sum(), parameters, allow_unused=True))
        return losses.detach(), [next(found) if p.requires_grad else None for p in inputs.models[: self._n]]

    def _replayed(self, known: _Known, given: Sequence[Tensor]) -> Result:
        assert known.replay is not None
        with torch.no_grad():
            losses, *others = known.replay(*given, *[draw() for draw in known.notes.draws])
        gradients: list[Tensor | None] = [None] * self._n
        for at, gradient in zip(known.which, others, strict=False):
            gradients[at] = gradient
        for truth in others[len(known.which) :]:
            if not bool(truth):
                raise Unfusable("has a batch of another kind than those before")
        return losses, gradients

    def _watched(self, known: _Known, inputs: Inputs, given: Sequence[Tensor]) -> Result:
        """By the code; the recording has to give the same, and is made if there is none."""
        before, notes = [_copied(tensor) for tensor in given], Notes()
        self._lanes.notes = notes
        try:
            result = self._made(inputs)
        finally:
            self._lanes.notes = None
        try:
            if known.replay is None:
                self._record(known, inputs, notes, [_copied(tensor) for tensor in before])
            assert known.replay is not None
            with torch.no_grad():
                again = known.replay(*before, *notes.drawn)
            expected = [result[0], *(gradient for gradient in result[1] if gradient is not None), *given]
            n = len(expected) - len(given)
            if not all(_are_same(*pair) for pair in zip([*again[:n], *before], expected, strict=True)):
                raise Unrecordable("gave other bits")
        except Exception:  # noqa: BLE001 - whatever cannot be recorded is made by the code, as before
            known.n_right, known.replay = None, None
        else:
            assert known.n_right is not None
            known.n_right += 1
            known.notes = notes
        return result

    def _record(self, known: _Known, inputs: Inputs, noted: Notes, copies: list[Tensor]) -> None:
        """copies: of all that is given; the code runs once more, on them and on the noise that it had."""
        notes = Notes(left=[drawn.clone() for drawn in noted.drawn])
        given, weights = [*copies, *(notes.left or [])], self._lanes.weights
        if weights is not None:
            self._lanes.weights = copies.pop()
        left = iter(copies)
        own = mapped(lambda _: next(left), inputs)
        self._lanes.notes = notes
        try:
            with Tape(given) as tape:
                losses, gradients = self._made(own)
        finally:
            self._lanes.notes, self._lanes.weights = None, weights
        places = {tensor.data_ptr() for tensor in given}
        if not places.issuperset(value.data_ptr() for value in notes.read):
            raise Unrecordable("reads a value that it computed")
        known.which = [at for at, gradient in enumerate(gradients) if gradient is not None]
        found = [gradient for gradient in gradients if gradient is not None]
        known.replay = tape.replay([losses, *found, *notes.truths])


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _are_same(one: Tensor, other: Tensor) -> bool:
    """To the bit, NaN included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(*(tensor.detach().contiguous().view(-1).view(torch.uint8) for tensor in (one, other)))
