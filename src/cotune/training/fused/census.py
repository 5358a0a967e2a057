"""What a search will have to train: how many of its trials are of one kind, and how wide its networks come to be."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import nn

from cotune.config import Config
from cotune.training.fused.signature import Form, forms, signature
from cotune.training.fused.widths import Widths, n_numbers, structure
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task

Values = Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Census:
    """Signatures of configurations drawn from a space, in every form, and how often each was met.

    drawn: the configurations. places: signature -> which of them have it. widths: of the space's networks; None if they
    are not to be filled up. pairs: of signatures for lanes of different width, the narrowest and the widest example.
    """

    drawn: Sequence[Values] = ()
    places: Mapping[Hashable, Sequence[int]] = field(default_factory=dict)
    widths: Widths | None = None
    pairs: Mapping[Hashable, tuple[Values, Values]] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, drawn: Sequence[Values], device: str, *, largest: Mapping[str, int]) -> Census:
        """Builds every configuration; one that cannot be built or fused is of no kind.

        largest: of the hyperparameters that may be widths; none if networks are not to be filled up to a common one.
        """
        widths = Widths.of(_narrow_and_wide(task, drawn, device, largest)) if largest else None
        places, sizes = defaultdict[Hashable, list[int]](list), defaultdict[Hashable, dict[int, Values]](dict)
        for at, run in _built(task, drawn, device):
            for form in forms(run, None if widths is None else widths.padding(run)):
                found = _signature(run, form)
                if found is not None:
                    places[found].append(at)
                    if form.padding:
                        sizes[found].setdefault(n_numbers(run.model), drawn[at])
        pairs = {found: (own[min(own)], own[max(own)]) for found, own in sizes.items() if len(own) > 1}
        return cls(drawn, {key: at for key, at in places.items() if key in pairs or key not in sizes}, widths, pairs)

    def forms(self, run: Run) -> Sequence[Form]:
        """The forms to try for a run, the most general first: they follow from it and the space alone."""
        padding = None if self.widths is None else self.widths.padding(run)
        return [form for form in forms(run, padding) if not form.padding or _signature(run, form) in self.pairs]

    def share(self, found: Hashable) -> float:
        """Of all trials, those of that signature."""
        return len(self.places.get(found, ())) / max(len(self.drawn), 1)

    def of_places(self, chosen: Iterable[int]) -> frozenset[Hashable]:
        """All signatures of these configurations."""
        wanted = set(chosen)
        return frozenset(found for found, own in self.places.items() if not wanted.isdisjoint(own))


def _narrow_and_wide(
    task: Task, drawn: Sequence[Values], device: str, largest: Mapping[str, int]
) -> Iterator[nn.Module]:
    """The model of every configuration, and without memory of its own the largest of each structure."""
    examples = dict[Hashable, Values]()
    for at, run in _built(task, drawn, device):
        examples.setdefault(structure(run.model), drawn[at])
        yield run.model
    for config in examples.values():
        widest = {name: largest.get(name, value) for name, value in config.items()}
        with Isolated(), torch.device("meta"), contextlib.suppress(Exception):  # then those drawn are the largest
            yield task.model(Config(widest))


def _built(task: Task, configs: Sequence[Values], device: str) -> Iterator[tuple[int, Run]]:
    for at, config in enumerate(configs):
        try:
            with Isolated() as isolated:
                run = Run(task, Config(dict(config)), isolated=isolated, device=device)
        except Exception:  # noqa: BLE001, S112 - the trial that has this configuration will tell
            continue
        yield at, run


def _signature(run: Run, form: Form) -> Hashable | None:
    try:
        return signature(run, form)
    except Exception:  # noqa: BLE001 - as above
        return None
