"""What a search will have to train: how many of its trials are of one kind, and how wide its networks come to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn

from cotune.config import Config
from cotune.training.fused.signature import Form, forms, signature
from cotune.training.fused.widths import Padding, Widths, n_numbers, structure
from cotune.training.loop import Run
from cotune.training.randomness import Isolated
from cotune.training.task import Task

Values = Mapping[str, Any]
Wider = Callable[[Values], Sequence[Values]]
"""A configuration -> those that are like it, but at the upper end of a number that may be a width."""

_MOST_NUMBERS, _MOST_STRUCTURES = 500_000, 4
"""Larger networks, on average, do not gain by training together, and take long to build; the commonest structures."""


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
    def of(cls, task: Task, drawn: Sequence[Values], device: str, wider: Wider | None = None) -> Census:
        """Builds every configuration; one that cannot be built or fused is of no kind.

        wider: tells the widest networks of the space; None if networks are not to be filled up to a common width.
        """
        widths = None if wider is None else _widths(task, drawn, device, wider)
        places, sizes = defaultdict[Hashable, list[int]](list), defaultdict[Hashable, dict[int, Values]](dict)
        for at, run in _built(task, drawn, device):
            for form in forms(run, _padding(run, widths)):
                found = _signature(run, form)
                if found is not None:
                    places[found].append(at)
                    if form.padding:
                        sizes[found].setdefault(n_numbers(run.model), drawn[at])
        pairs = {found: (own[min(own)], own[max(own)]) for found, own in sizes.items() if len(own) > 1}
        return cls(drawn, {key: at for key, at in places.items() if key in pairs or key not in sizes}, widths, pairs)

    def forms(self, run: Run) -> Iterator[Form]:
        """The forms to try for a run, the most general first: they follow from it and the space alone."""
        for form in forms(run, _padding(run, self.widths)):
            if not form.padding or _signature(run, form) in self.pairs:
                yield form

    def in_own_width(self) -> Census:
        """The same, if networks are not filled up."""
        return Census(self.drawn, {key: at for key, at in self.places.items() if key not in self.pairs})

    def share(self, found: Hashable) -> float:
        """Of all trials, those of that signature."""
        return len(self.places.get(found, ())) / max(len(self.drawn), 1)

    def of_places(self, chosen: Iterable[int]) -> frozenset[Hashable]:
        """All signatures of these configurations."""
        wanted = set(chosen)
        return frozenset(found for found, own in self.places.items() if not wanted.isdisjoint(own))


def _widths(task: Task, drawn: Sequence[Values], device: str, wider: Wider) -> Widths | None:
    """How wide the networks are; None if they are too large for a pass to gain by any of this."""
    models, examples, n = list[nn.Module](), defaultdict[Hashable, list[Values]](list), 0
    for at, run in _built(task, drawn, device):
        models.append(run.model)
        examples[structure(run.model)].append(drawn[at])
        n += n_numbers(run.model)
        if n > _MOST_NUMBERS * (at + 1):
            return None
    common = sorted(examples.values(), key=len, reverse=True)[:_MOST_STRUCTURES]
    ends = [config for alike in common if len(alike) > 1 for config in wider(alike[0])]
    return Widths.of([*models, *(run.model for _, run in _built(task, ends, device))])


def _built(task: Task, configs: Sequence[Values], device: str) -> Iterator[tuple[int, Run]]:
    for at, config in enumerate(configs):
        try:
            with Isolated() as isolated:
                run = Run(task, Config(dict(config)), isolated=isolated, device=device)
                n_numbers(run.model)
        except Exception:  # noqa: BLE001, S112 - the trial that has this configuration will tell
            continue
        yield at, run


def _padding(run: Run, widths: Widths | None) -> Padding | None:
    try:
        return None if widths is None else widths.padding(run)
    except Exception:  # noqa: BLE001 - a tensor without a shape, say
        return None


def _signature(run: Run, form: Form) -> Hashable | None:
    try:
        return signature(run, form)
    except Exception:  # noqa: BLE001 - as above
        return None
