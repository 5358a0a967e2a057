"""One worker's search from start to end: equipment, signals, progress, and the winner's weights at the end."""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cotune.errors import Interrupted
from cotune.executors.checkpoints import FolderCheckpoints, MemoryCheckpoints
from cotune.executors.equipment import Checkpoints, Equipment, Equippable
from cotune.executors.interruption import Interruption
from cotune.records import History
from cotune.study.keeper import Keeper
from cotune.study.log import Log
from cotune.study.loop import Planner, Search
from cotune.study.panel import Panel
from cotune.study.signals import handled


def checkpoints_at(path: Path | None) -> Checkpoints:
    """Where a study keeps its trials' states: in its folder, or in memory."""
    return MemoryCheckpoints() if path is None else FolderCheckpoints(path / "checkpoints")


def run(
    log: Log,
    planner: Planner,
    *,
    objective: Callable[[Any], Any],
    executor: Equippable,
    checkpoints: Checkpoints,
    path: Path | None,
    panel: Panel,
) -> None:
    """Search until the budget is spent. Raises Interrupted after a signal, StudyStopped if the start all failed."""
    interruption, keeper = Interruption(), Keeper(checkpoints)
    hint = resume_hint(path)
    log.settle("machine", machine())
    with tempfile.TemporaryDirectory(prefix="cotune-") as scratch:
        equipment = Equipment(objective, checkpoints, interruption, _directories(path or Path(scratch)))
        trainer = executor.equip(equipment)

        def watch(history: History) -> None:
            panel.show(history)
            keeper.watch(history)

        try:
            with panel, handled(interruption, hint):
                Search(log, planner, trainer, interruption, watch).run()
        finally:
            trainer.close()
            keeper.tidy(log.refresh())
    if interruption.is_requested:
        sys.stderr.write(f"{hint}\n")
        raise Interrupted(128 + interruption.signal)


def machine() -> dict[str, Any]:
    """What results may depend on besides the log: versions and threads."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def resume_hint(path: Path | None) -> str:
    """The line that tells how to go on."""
    if path is None:
        return "cotune: interrupted; this study lived in memory. Give it a path to be able to resume."
    return f"cotune: interrupted; nothing is lost. Resume with the same line: {shlex.join(sys.orig_argv)}"


def _directories(root: Path) -> Callable[[int], Path]:
    def directory(number: int) -> Path:
        folder = root / "trials" / f"{number:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    return directory
