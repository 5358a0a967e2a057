"""How many trials of a search are of one kind: only those that are alike can train together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from cotune.config import Config
from cotune.training.fused.signature import signature
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task


@final
@dataclass(frozen=True, slots=True)
class Census:
    """Signatures of configurations drawn from a space, how often each was met, and one configuration of each."""

    counts: Mapping[Hashable, int]
    examples: Mapping[Hashable, Mapping[str, Any]]
    n_drawn: int

    @classmethod
    def of(cls, task: Task, configs: Iterable[Mapping[str, Any]], device: str) -> Census:
        """Builds every configuration; one that cannot be built or fused is of no kind."""
        counts, examples, n = Counter[Hashable](), dict[Hashable, Mapping[str, Any]](), 0
        for config in configs:
            n += 1
            try:
                with Isolated() as isolated:
                    found = signature(Run(task, Config(dict(config)), isolated=isolated, device=device))
            except Exception:  # noqa: BLE001, S112 - the trial that has this configuration will tell
                continue
            counts[found] += 1
            examples.setdefault(found, config)
        return cls(counts, examples, n)

    def expected(self, found: Hashable, lanes: int) -> float:
        """How many of so many lanes are of that signature, on average."""
        return lanes * self.counts.get(found, 0) / max(self.n_drawn, 1)

    @property
    def commonest(self) -> Hashable | None:
        """The signature that was met most often; None if nothing can be fused."""
        return max(self.counts, key=lambda found: self.counts[found], default=None)
