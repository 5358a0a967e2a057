"""The passes over batches of a population: made by the models' code, and once that is known, by a recording of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from cotune.training.fused.escape import mapped, tensors
from cotune.training.fused.forward import Inputs, LaneForward
from cotune.training.fused.graphs import Graphs
from cotune.training.fused.lanes import Again, Draw, Lanes, Notes
from cotune.training.fused.refusal import Unfusable, told_by_line
from cotune.training.fused.same import are_same
from cotune.training.fused.tape import Replay, Tape
from cotune.training.samples import Batch

Result = tuple[Tensor, Sequence[Tensor | None]]
"""The losses (n,) before an update, and the gradients of the models' parameters, (n, ...) each or None; contiguous, in
memory that nothing else is in, for they will be changed."""

_OFTEN = 12
"""A pass is recorded when it was made so often, which costs as much as a few of them."""
BELIEVED, _EVERY = 2, 64
"""A population uses a recording after it gave the same bits as the code in so many later passes, and compares once more
in the first pass of an epoch after it was used so often."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """replay: of losses, gradients, and flags that have to be true. which: the parameters that have gradients."""

    replay: Replay
    which: Sequence[int]

    def changes(self, n: int) -> list[int]:
        """Which of the first n inputs, those that are not noise, it changes."""
        return sorted(at for at in self.replay.changes if at < n)


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

    def knows(self, key: Hashable) -> bool:
        """Whether a pass that comes now has a recording, or should have one."""
        if key in self.made:
            return self.made[key] is not None
        self.seen[key] += 1
        return self.seen[key] >= self.often


@dataclass(slots=True)
class _Trust:
    """What a population knows of a recording: how often it was right here, and how its noise is drawn.

    n_used: how often it was used since it was last compared. is_due: whether it shall be.
    """

    n_right: int = 0
    draws: Sequence[Draw] = ()
    n_used: int = 0
    is_due: bool = False

    @property
    def is_enough(self) -> bool:
        return self.n_right >= BELIEVED and not self.is_due


@final
class Passes:
    """Losses and gradients of the lanes of one population.

    Where nothing but tensors goes into a pass, a recording of it makes the same calls to torch as the code.
    """

    def __init__(
        self, forward: LaneForward, lanes: Lanes, n_parameters: int, recordings: Recordings, graphs: Graphs | None
    ) -> None:  # fmt: skip
        """n_parameters: so many of the inputs' tensors, from the first on, are the models' parameters."""
        self._forward, self._lanes, self._n, self._graphs = forward, lanes, n_parameters, graphs
        self._recordings, self._trust = recordings, defaultdict[Hashable, _Trust](_Trust)
        self._state: Hashable = None
        self._modes: Hashable = None

    def begin(self, state: Hashable, modes: Hashable) -> None:
        """Before an epoch. state: all that the code may read besides tensors, None if that cannot be told.

        modes: whether which parts of the models are being trained.
        """
        if state != self._state:
            self._trust.clear()
        self._state, self._modes = state, modes
        for trust in self._trust.values():
            trust.is_due = trust.n_used >= _EVERY

    def __call__(self, batch: Batch) -> Result:
        """Of as many of the first lanes as the batch has; the next pass may write over them.

        Raises what the models' code raises.
        """
        inputs, recordings = self._forward.inputs(batch), self._recordings
        given = [*_flat(inputs), *([] if self._lanes.weights is None else [self._lanes.weights])]
        key = (*[tensor.shape for tensor in given], self._modes)
        if self._state is None or not recordings.knows(key):
            return _owned(self._made(inputs))
        recording, trust = recordings.made.get(key), self._trust[key]
        if recording is not None and trust.is_enough:
            trust.n_used += 1
            n = _n_staying(inputs)
            return self._replayed(key, recording, given[:n], [*given[n:], *[draw() for draw in trust.draws]])
        return _owned(self._watched(key, inputs, given))

    def _made(self, inputs: Inputs) -> Result:
        losses = self._forward.run(inputs)[1]
        parameters = [parameter for parameter in inputs.models[: self._n] if parameter.requires_grad]
        with told_by_line(self._forward.builder):
            found = iter(torch.autograd.grad(losses.sum(), parameters, allow_unused=True))
        return losses.detach(), [next(found) if p.requires_grad else None for p in inputs.models[: self._n]]

    def _replayed(
        self, key: Hashable, recording: _Recording, staying: Sequence[Tensor], fresh: Sequence[Tensor]
    ) -> Result:
        """staying: the inputs that are the population's own. fresh: those of this pass, with its noise."""
        with told_by_line(self._forward.builder), torch.no_grad():
            if self._graphs is None:
                losses, *others = recording.replay(*staying, *fresh)
            else:
                changes = [staying[at] for at in recording.changes(len(staying))]
                key = key, id(recording.replay)
                losses, *others = self._graphs(key, recording.replay, staying, fresh, changes)
        gradients: list[Tensor | None] = [None] * self._n
        shared = recording.replay.shared
        for place, (at, gradient) in enumerate(zip(recording.which, others, strict=False), start=1):
            is_own = place not in shared and gradient.is_contiguous()
            gradients[at] = gradient if is_own else _own(gradient)
        if not all(map(bool, others[len(recording.which) :])):
            raise Unfusable("has a batch of another kind than those before")
        return losses, gradients

    def _watched(self, key: Hashable, inputs: Inputs, given: Sequence[Tensor]) -> Result:
        """By the code. The recording has to give the same, and is made if there is none."""
        recording, notes = self._recordings.made.get(key), Notes()
        changes = range(len(given)) if recording is None else recording.changes(len(given))
        before = [_copied(tensor) if at in changes else tensor for at, tensor in enumerate(given)]
        versions = [tensor._version for tensor in given]
        self._lanes.notes = notes
        try:
            result = self._made(inputs)
        finally:
            self._lanes.notes = None
        if recording is None:
            self._recordings.made[key] = self._recorded(inputs, notes, before)
        else:
            is_left_alone = [
                n == t._version or at in changes for at, (n, t) in enumerate(zip(versions, given, strict=True))
            ]
            expected = [*_found(result), *(given[at] for at in changes)]
            self._compare(key, recording, before, notes, expected if all(is_left_alone) else [])
        return result

    def _compare(
        self, key: Hashable, recording: _Recording, before: Sequence[Tensor], notes: Notes, expected: Sequence[Tensor]
    ) -> None:
        """expected: losses, gradients, and the inputs that change as the code left them."""
        trust, found = self._trust[key], list[Tensor]()
        with suppress(Exception), torch.no_grad():  # then it is not the same
            found += recording.replay(*before, *notes.drawn)[: 1 + len(recording.which)]
        if are_same([*found, *(before[at] for at in recording.changes(len(before)))], expected):
            self._trust[key] = _Trust(trust.n_right + 1, notes.draws)
            return
        self._recordings.made[key] = None
        if trust.n_right >= BELIEVED:
            raise Unfusable("computes something else than before, by what is in no tensor")

    def _recorded(self, inputs: Inputs, noted: Notes, before: Sequence[Tensor]) -> _Recording | None:
        """The code runs once more on copies, as the real pass may not be watched: torch may take other ways then.

        before: all that is given, as it was. None for what cannot be recorded, which is made by the code as ever.
        """
        copies, weights = map(_copied, before), self._lanes.weights
        try:
            noise = [drawn.clone() for drawn in noted.drawn]
            own, more, again = mapped(lambda _: next(copies), inputs), list(copies), Again(list(noise))
            self._lanes.again, self._lanes.weights = again, more[0] if more else None
            with Tape([*_flat(own), *more, *noise]) as tape:
                losses, gradients = self._made(own)
            constants = {number.data_ptr() for number in (*own.own, *own.of_config)}
            if not constants.issuperset(number.data_ptr() for number in again.read):
                return None  # a rate of dropout that is computed, which would be read no more
            replay = tape.replay([*_found((losses, gradients)), *again.truths])
        except Exception:  # noqa: BLE001 - the user's code, run in a way that is not the user's; or too little memory
            return None
        finally:
            self._lanes.again, self._lanes.weights = None, weights
        return _Recording(replay, [at for at, gradient in enumerate(gradients) if gradient is not None])


def _flat(inputs: Inputs) -> list[Tensor]:
    return [*inputs.models, *inputs.losses, *inputs.own, *inputs.of_config, *tensors(inputs.batch)]


def _owned(result: Result) -> Result:
    """With gradients that may be changed: what a backward pass gives may be a tensor that somebody keeps."""
    losses, gradients = result
    return losses, [None if gradient is None else _own(gradient) for gradient in gradients]


def _own(gradient: Tensor) -> Tensor:
    return gradient.clone(memory_format=torch.contiguous_format)


def _n_staying(inputs: Inputs) -> int:
    """How many of its tensors are the population's own, and not of one batch."""
    return sum(map(len, (inputs.models, inputs.losses, inputs.own, inputs.of_config)))


def _found(result: Result) -> list[Tensor]:
    losses, gradients = result
    return [losses, *(gradient for gradient in gradients if gradient is not None)]


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)
