"""The passes over batches of a population: made by the models' code, and once that is known, by a recording of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from cotune.training.fused.escape import mapped, tensors
from cotune.training.fused.forward import Inputs, LaneForward
from cotune.training.fused.lanes import Draw, Lanes, Notes
from cotune.training.fused.refusal import Unfusable, told_by_line
from cotune.training.fused.tape import Replay, Tape, Unrecordable
from cotune.training.samples import Batch

Result = tuple[Tensor, Sequence[Tensor | None]]
"""The losses (n,) before an update, and the gradients of the models' parameters, (n, ...) each or None."""

_OFTEN, BELIEVED = 12, 2
"""A pass is recorded when it was made so often, which costs as much as a few of them, and the recording is used after
it gave the same bits as the code in so many passes of a population, with other numbers in each."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """replay: of losses, gradients, and flags that have to be true. which: the parameters that have gradients."""

    replay: Replay
    which: Sequence[int]


@final
@dataclass(slots=True)
class Recordings:
    """Passes of populations of one kind, by the shapes of all that goes into them.

    often: one is recorded when it was made so many times. seen: how often one was. made: what became of it; None if it
    cannot be recorded.
    """

    often: float = _OFTEN
    seen: Counter[Hashable] = field(default_factory=Counter)
    made: dict[Hashable, _Recording | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Trust:
    """What a population knows of a recording: how often it was right here, and how its noise is drawn."""

    n_right: int = 0
    draws: Sequence[Draw] = ()


@final
class Passes:
    """Losses and gradients of the lanes of one population.

    Where nothing but tensors goes into a pass, a recording of it makes the same calls to torch as the code.
    """

    def __init__(self, forward: LaneForward, lanes: Lanes, n_parameters: int, recordings: Recordings) -> None:
        """n_parameters: so many of the inputs' tensors, from the first on, are the models' parameters."""
        self._forward, self._lanes, self._n = forward, lanes, n_parameters
        self._recordings, self._trust = recordings, defaultdict[Hashable, _Trust](_Trust)

    def __call__(self, batch: Batch) -> Result:
        """Of as many of the first lanes as the batch has. Raises what the models' code raises."""
        inputs, recordings = self._forward.inputs(batch), self._recordings
        given = [*inputs.models, *inputs.losses, *inputs.own, *inputs.of_config, *tensors(batch)]
        given += [] if self._lanes.weights is None else [self._lanes.weights]
        key = tuple(tensor.shape for tensor in given)
        if key not in recordings.made:
            recordings.seen[key] += 1
            if recordings.seen[key] < recordings.often:
                return self._made(inputs)
            return self._watched(key, inputs, given)
        recording, trust = recordings.made[key], self._trust[key]
        if recording is None:
            return self._made(inputs)
        if trust.n_right < BELIEVED:
            return self._watched(key, inputs, given)
        return self._replayed(recording, trust.draws, given)

    def _made(self, inputs: Inputs) -> Result:
        losses = self._forward.run(inputs)[1]
        parameters = [parameter for parameter in inputs.models[: self._n] if parameter.requires_grad]
        with told_by_line(self._forward.builder):
            found = iter(torch.autograd.grad(losses.sum(), parameters, allow_unused=True))
        return losses.detach(), [next(found) if p.requires_grad else None for p in inputs.models[: self._n]]

    def _replayed(self, recording: _Recording, draws: Sequence[Draw], given: Sequence[Tensor]) -> Result:
        with torch.no_grad():
            losses, *others = recording.replay(*given, *[draw() for draw in draws])
        gradients: list[Tensor | None] = [None] * self._n
        for at, gradient in zip(recording.which, others, strict=False):
            gradients[at] = gradient
        if not all(map(bool, others[len(recording.which) :])):
            raise Unfusable("has a batch of another kind than those before")
        return losses, gradients

    def _watched(self, key: Hashable, inputs: Inputs, given: Sequence[Tensor]) -> Result:
        """By the code; the recording has to give the same, and is made if there is none."""
        before, notes, recordings = [_copied(tensor) for tensor in given], Notes(), self._recordings
        losses, gradients = self._noting(notes, inputs)
        try:
            recording = recordings.made.get(key) or self._recorded(
                inputs, notes, [_copied(tensor) for tensor in before]
            )
            with torch.no_grad():
                again = recording.replay(*before, *notes.drawn)
            own = [losses, *(gradient for gradient in gradients if gradient is not None)]
            if not all(_are_same(*pair) for pair in zip([*again[: len(own)], *before], [*own, *given], strict=True)):
                raise Unrecordable("gave other bits")
        except Exception:  # noqa: BLE001 - whatever cannot be recorded is made by the code, as before
            recordings.made[key] = None
        else:
            recordings.made[key], trust = recording, self._trust[key]
            trust.n_right, trust.draws = trust.n_right + 1, notes.draws
        return losses, gradients

    def _recorded(self, inputs: Inputs, noted: Notes, copies: list[Tensor]) -> _Recording:
        """copies: of all that is given; the code runs once more, on them and on the noise that it had."""
        noise = [drawn.clone() for drawn in noted.drawn]
        given, weights, notes = [*copies, *noise], self._lanes.weights, Notes(left=noise)
        left = iter(copies)
        own = mapped(lambda _: next(left), inputs)
        self._lanes.weights = next(left, None)
        try:
            with Tape(given) as tape:
                losses, gradients = self._noting(notes, own)
        finally:
            self._lanes.weights = weights
        places = {tensor.data_ptr() for tensor in given}
        if not places.issuperset(value.data_ptr() for value in notes.read):
            raise Unrecordable("reads a value that it computed")
        found = {at: gradient for at, gradient in enumerate(gradients) if gradient is not None}
        return _Recording(tape.replay([losses, *found.values(), *notes.truths]), list(found))

    def _noting(self, notes: Notes, inputs: Inputs) -> Result:
        self._lanes.notes = notes
        try:
            return self._made(inputs)
        finally:
            self._lanes.notes = None


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _are_same(one: Tensor, other: Tensor) -> bool:
    """To the bit, NaN included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(*(tensor.detach().contiguous().view(-1).view(torch.uint8) for tensor in (one, other)))
