"""Which runs can train together, found out once for each kind of run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import final

from cotune.training.fused.equivalence import check
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.signature import signature
from cotune.training.loop import Run

Rebuild = Callable[[int], Run]
"""Another run of the same configuration, from another seed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Runs of one kind can be lanes of one pass. lifts: whether they may differ in hyperparameters kept as floats."""

    signature: Hashable
    lifts: bool


@final
@dataclass(slots=True)
class Kinds:
    """What was proven so far. refusals: why the runs of a signature cannot be fused, in the order they were met."""

    _known: dict[Hashable, Kind | Unfusable] = field(default_factory=dict)

    def of(self, run: Run, rebuild: Rebuild, seed: Callable[[int], None]) -> Kind:
        """The kind of a run; the first of its signature is put to the test, twice if it cannot take numbers as tensors.

        Raises Unfusable, for every run of a signature that was refused.
        """
        loose = signature(run)
        if loose not in self._known:
            self._known[loose] = self._proven(loose, rebuild, seed, lifts=True)
        found = self._known[loose]
        if isinstance(found, Kind):
            return found
        strict = signature(run, lifts=False)
        if strict not in self._known:
            self._known[strict] = self._proven(strict, rebuild, seed, lifts=False) if strict != loose else found
        found = self._known[strict]
        if isinstance(found, Kind):
            return found
        raise found

    @property
    def refusals(self) -> Iterable[str]:
        """Why some runs cannot be lanes, each reason once."""
        return dict.fromkeys(str(verdict) for verdict in self._known.values() if isinstance(verdict, Unfusable))

    @staticmethod
    def _proven(signature: Hashable, rebuild: Rebuild, seed: Callable[[int], None], *, lifts: bool) -> Kind | Unfusable:
        try:
            check(rebuild, seed, lifts=lifts)
        except Unfusable as refusal:
            return refusal.with_traceback(None)
        return Kind(signature, lifts)
