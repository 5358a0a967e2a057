"""Training outside of a search: as its trials are trained, and nothing of it reaches the log. This file loads torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotune.executors.checkpoints import MemoryCheckpoints
from cotune.executors.equipment import CheckpointStore, Equipment, Equippable
from cotune.executors.executor import Executor
from cotune.executors.interruption import Interruption
from cotune.records import JsonValue
from cotune.study.log import Log
from cotune.study.objectives import Target
from cotune.study.search import training_threads


@contextmanager
def trainer(log: Log, target: Target, executor: Equippable) -> Iterator[tuple[Executor, CheckpointStore]]:
    """An executor that knows what the study has settled, and where it keeps states: in memory, for as long as it is."""
    history, checkpoints = log.refresh(), MemoryCheckpoints()
    with training_threads(log, target), tempfile.TemporaryDirectory(prefix="cotune-") as scratch:
        equipment = Equipment(
            target.objective, checkpoints, Interruption(), Path(scratch), _unheard, history.space,
            history.settings.get, _forgotten,
        )  # fmt: skip
        engine = executor.equip(equipment)
        try:
            yield engine, checkpoints
        finally:
            engine.close()


def _unheard(text: str) -> None:
    """What an executor tells its user is no news."""


def _forgotten(name: str, value: JsonValue) -> None:
    """Nor is what it finds out."""
