"""Work on a GPU that is done again and again, as CUDA graphs: one launch in place of hundreds.

A graph works in the memory that it was captured in, so what comes anew is copied to a place of its own first. Capturing
only notes what is launched. A graph is believed after it left the same bits as the work itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from cotune.training.fused.same import are_same

Work = Callable[..., Sequence[Tensor]]
"""Of the tensors that stay where they are, and then of those that come anew -> what it makes."""
Capture = Callable[[Callable[[], Sequence[Tensor]]], tuple[Callable[[], Any], Sequence[Tensor]]]
"""Of some work: how to do it again, and the tensors in which its results will be."""

_OFTEN = 8
"""Work is captured when it was done so often in the same places, because capturing waits for the device."""
_MOST_PLACES = 256
"""So many places at most are counted; results that nothing holds come to be anywhere."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """fresh: where it looks for what comes anew. made: where its results are, until it is launched again."""

    launch: Callable[[], Any]
    fresh: Sequence[Tensor]
    made: Sequence[Tensor]


@final
class Graphs:
    """Of the work of one population."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._seen = Counter[Hashable]()
        self._known: dict[Hashable, _Graph | None] = {}

    @staticmethod
    def on(device: torch.device) -> Graphs | None:
        """None where there are none."""
        return Graphs(_Captures(device)) if device.type == "cuda" else None

    def __len__(self) -> int:
        """How many are in use."""
        return sum(graph is not None for graph in self._known.values())

    def __call__(
        self, key: Hashable, work: Work, staying: Sequence[Tensor], fresh: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """What the work makes, which the next call may write over.

        key: equal for equal work. changes: the tensors that it writes to, none of which comes anew.
        """
        key = (key, *[tensor.data_ptr() for tensor in staying], *[tensor.shape for tensor in fresh])
        if key not in self._known:
            self._seen[key] += 1
            if self._seen[key] < _OFTEN:
                if len(self._seen) > _MOST_PLACES:
                    self._seen.clear()
                return work(*staying, *fresh)
            self._known[key], made = self._captured(work, staying, fresh, changes)
            return made
        graph = self._known[key]
        if graph is None:
            return work(*staying, *fresh)
        for place, tensor in zip(graph.fresh, fresh, strict=True):
            place.copy_(tensor)
        graph.launch()
        return graph.made

    def _captured(
        self, work: Work, staying: Sequence[Tensor], fresh: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> tuple[_Graph | None, Sequence[Tensor]]:
        """A graph of the work, None if there is none that does the same; and what the work makes now."""
        before, places = ([tensor.clone() for tensor in some] for some in (changes, fresh))
        expected = work(*staying, *fresh)
        after = [tensor.clone() for tensor in changes]
        try:
            launch, made = self._capture(lambda: work(*staying, *places))
            for tensor, old in zip(changes, before, strict=True):
                tensor.copy_(old)
            launch()
            if are_same([*made, *changes], [*expected, *after]):
                return _Graph(launch, places, made), made
        except RuntimeError:  # what cannot be captured: it waits for the device, say, or there is too little memory
            pass
        for tensor, new in zip(changes, after, strict=True):
            tensor.copy_(new)
        return None, expected


class _Captures:
    """By torch, all in one pool of memory: they are launched one after another."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None

    def __call__(self, work: Callable[[], Sequence[Tensor]]) -> tuple[Callable[[], Any], Sequence[Tensor]]:
        graph, aside = torch.cuda.CUDAGraph(), torch.cuda.Stream(self._device)
        before = torch.cuda.stream(torch.cuda.current_stream(self._device))  # which a failure would not restore
        with before, torch.cuda.graph(graph, self._pool, aside, capture_error_mode="thread_local"):
            made = work()
        self._pool = graph.pool()
        return graph.replay, made
