"""How many trials of a search are of one kind: only those that are alike can train together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from cotune.config import Config
from cotune.training.fused.signature import forms, signature
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task


@final
@dataclass(frozen=True, slots=True)
class Census:
    """Signatures of configurations drawn from a space, in every form, and how often each was met.

    examples: the configurations of each, in its most general form.
    """

    counts: Mapping[Hashable, int]
    examples: Mapping[Hashable, Sequence[Mapping[str, Any]]]
    n_drawn: int

    @classmethod
    def of(cls, task: Task, configs: Iterable[Mapping[str, Any]], device: str) -> Census:
        """Builds every configuration; one that cannot be built or fused is of no kind."""
        counts, examples, n = Counter[Hashable](), defaultdict[Hashable, list[Mapping[str, Any]]](list), 0
        for config in configs:
            n += 1
            try:
                with Isolated() as isolated:
                    run = Run(task, Config(dict(config)), isolated=isolated, device=device)
                found = [signature(run, form) for form in forms(run)]
            except Exception:  # noqa: BLE001, S112 - the trial that has this configuration will tell
                continue
            counts.update(found)
            examples[found[0]].append(config)
        return cls(counts, examples, n)

    def expected(self, found: Hashable, lanes: int) -> float:
        """How many of so many lanes are of that signature, on average."""
        return lanes * self.counts.get(found, 0) / max(self.n_drawn, 1)

    @property
    def commonest(self) -> Sequence[Mapping[str, Any]]:
        """The configurations of the signature that was met most often; none if nothing can be fused."""
        return max(self.examples.values(), key=len, default=())
