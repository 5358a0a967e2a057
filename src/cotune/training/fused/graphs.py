"""Work on a GPU that is done again and again, as CUDA graphs: one launch in place of hundreds.

A graph works in the memory that it was captured in, so what comes anew is copied to a place of its own first. Capturing
only notes what is launched. A graph is believed after it left the same bits as the work itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
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
_MOST_PLACES, _MOST_TRIES = 256, 4
"""So many places at most are counted, and so often the same work is captured: results that nothing holds come to be
anywhere."""


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
        self._seen, self._tried = Counter[Hashable](), Counter[Hashable]()
        self._known: dict[Hashable, _Graph | None] = {}

    @staticmethod
    def on(device: torch.device) -> Graphs | None:
        """None where there are none."""
        return Graphs(_Captures(device)) if device.type == "cuda" else None

    @property
    def n_used(self) -> int:
        """How many there are."""
        return sum(graph is not None for graph in self._known.values())

    def __call__(
        self, key: Hashable, work: Work, staying: Sequence[Tensor], fresh: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """What the work makes, which the next call may write over.

        key: equal for equal work. changes: the tensors that it writes to, none of which comes anew.
        """
        here = (key, *[tensor.data_ptr() for tensor in staying], *[tensor.shape for tensor in fresh])
        if here not in self._known and self._is_due(key, here):
            self._known[here], made = self._captured(work, staying, fresh, changes)
            return made
        graph = self._known.get(here)
        if graph is None:
            return work(*staying, *fresh)
        for place, tensor in zip(graph.fresh, fresh, strict=True):
            place.copy_(tensor)
        graph.launch()
        return graph.made

    def _is_due(self, key: Hashable, here: Hashable) -> bool:
        """Whether work is to be captured in these places."""
        if self._tried[key] >= _MOST_TRIES:
            return False
        if len(self._seen) > _MOST_PLACES:
            self._seen.clear()
        self._seen[here] += 1
        self._tried[key] += self._seen[here] >= _OFTEN
        return self._seen[here] >= _OFTEN

    def _captured(
        self, work: Work, staying: Sequence[Tensor], fresh: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> tuple[_Graph | None, Sequence[Tensor]]:
        """A graph of the work, None if there is none that does the same; and what the work makes now."""
        try:
            before, places = ([tensor.clone() for tensor in some] for some in (changes, fresh))
        except torch.OutOfMemoryError:
            return None, work(*staying, *fresh)
        expected = work(*staying, *fresh)
        try:
            after = [tensor.clone() for tensor in changes]
        except torch.OutOfMemoryError:
            return None, expected
        try:
            launch, made = self._capture(lambda: work(*staying, *places))
            _put(before, changes)
            launch()
            if are_same([*made, *changes], [*expected, *after]):
                return _Graph(launch, places, made), made
        except RuntimeError:  # what cannot be captured: it waits for the device, say, or there is too little memory
            pass
        _put(after, changes)
        return None, expected


def _put(values: Sequence[Tensor], places: Sequence[Tensor]) -> None:
    for place, value in zip(places, values, strict=True):
        place.copy_(value)


@final
class _Captures:
    """By torch, all in one pool of memory and on one stream: they are launched one after another."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._aside = device, torch.cuda.Stream(device)
        self._pool: Any = None

    def __call__(self, work: Callable[[], Sequence[Tensor]]) -> tuple[Callable[[], Any], Sequence[Tensor]]:
        """Raises RuntimeError for work that waits for the device, before anything is captured.

        A capture that is broken off may leave more behind than an error: the stream it was made on, and in some
        releases of torch a generator that believes to be captured still.
        """
        before = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(before)
        with torch.cuda.stream(self._aside), _waiting_is_an_error():
            work()
        before.wait_stream(self._aside)
        graph = torch.cuda.CUDAGraph()
        inside = torch.cuda.graph(graph, self._pool, self._aside, capture_error_mode="thread_local")
        with torch.cuda.stream(before), inside:
            made = work()
        self._pool = graph.pool()
        return graph.replay, made


@contextmanager
def _waiting_is_an_error() -> Iterator[None]:
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)
