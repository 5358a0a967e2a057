"""Which runs can train together, found out once for each kind of run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch

from cotune.training.fused.census import Census, Values
from cotune.training.fused.equivalence import Build, check
from cotune.training.fused.passes import Recordings
from cotune.training.fused.population import Population
from cotune.training.fused.refusal import Unfusable, refused
from cotune.training.fused.signature import Form, signature
from cotune.training.loop import Run


@dataclass(frozen=True, slots=True)
class Kind:
    """Runs of one kind can be lanes of one pass, in this form. recordings: of such passes."""

    signature: Hashable
    form: Form
    recordings: Recordings = field(default_factory=Recordings, compare=False, repr=False)

    def population(self, runs: Sequence[Run]) -> Population:
        """Runs of this kind, as lanes."""
        return Population(runs, self.form, recordings=self.recordings)


@final
@dataclass(slots=True)
class Kinds:
    """What was proven so far. census: of the space that the runs are of, which says how they may differ in width."""

    census: Census = field(default_factory=Census)
    _known: dict[Hashable, Kind | Unfusable] = field(default_factory=dict)

    def of(self, run: Run, build: Build, seed: Callable[[int], None]) -> Kind:
        """The kind of a run. The first run of a signature is put to the test, in one form after another.

        build, seed: as `check` takes them. Raises Unfusable, for every run of a signature that was refused.
        """
        refusal: Unfusable | None = None
        for form in self.census.forms(run):
            key = told(run, form)
            if key not in self._known:
                pair = self.census.pairs.get(key, (run.config, run.config))
                self._known[key] = self._proven(key, form, pair, build, seed)
            found = self._known[key]
            if isinstance(found, Kind):
                return found
            refusal = found
        assert refusal is not None
        raise refusal

    @staticmethod
    def _proven(
        key: Hashable, form: Form, pair: tuple[Values, Values], build: Build, seed: Callable[[int], None]
    ) -> Kind | Unfusable:
        try:
            check(pair, build, seed, form)
        except Unfusable as refusal:
            return refusal.with_traceback(None)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - of the user's code, in a configuration that is not the user's
            return refused(error, None)
        return Kind(key, form)


def told(run: Run, form: Form) -> Hashable:
    """The run's signature. Raises Unfusable for a run that cannot be a lane, also where its parts cannot be read."""
    try:
        return signature(run, form)
    except Unfusable:
        raise
    except Exception as error:
        raise refused(error, run.task.model) from error
