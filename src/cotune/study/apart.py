"""Training outside of a search: as its trials are trained, and nothing of it reaches the log. This file loads torch."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotune.errors import Interrupted
from cotune.executors.checkpoints import MemoryCheckpoints
from cotune.executors.equipment import CheckpointStore, Equipment, Equippable
from cotune.executors.executor import Executor
from cotune.executors.interruption import Interruption
from cotune.records import JsonValue
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.study.search import training_threads
from cotune.study.signals import handled


@contextmanager
def trainer(log: Log, target: Target, executor: Equippable, hint: str) -> Iterator[tuple[Executor, CheckpointStore]]:
    """An executor that knows what the study has settled, and where it keeps states: in memory, for as long as it is.

    hint: what is said when a signal ends it. Raises Interrupted then; jobs that are under way come back `Released`.
    """
    history, checkpoints, interruption = log.refresh(), MemoryCheckpoints(), Interruption()
    with training_threads(log, target), tempfile.TemporaryDirectory(prefix="cotune-") as scratch:
        equipment = Equipment(
            target.objective, checkpoints, interruption, Path(scratch), _unheard, history.space,
            history.settings.get, _forgotten,
        )  # fmt: skip
        engine = executor.equip(equipment)
        try:
            with handled(interruption, hint):
                yield engine, checkpoints
        except KeyboardInterrupt:
            if not interruption.is_requested:
                raise
        finally:
            engine.close()
    if interruption.is_requested:
        sys.stderr.write(f"{hint}\n")
        raise Interrupted(128 + interruption.signal)


def _unheard(text: str) -> None:
    """What an executor tells its user is no news."""


def _forgotten(name: str, value: JsonValue) -> None:
    """Nor is what it finds out."""
