"""What lies where in a study's folder, besides its log and its checkpoints. This file loads no torch."""

from __future__ import annotations

from pathlib import Path


def of_trial(folder: Path, number: int) -> Path:
    """A trial's own folder."""
    return folder / "trials" / f"{number:06d}"


def log_of_trial(folder: Path, number: int) -> Path:
    """What a trial prints in a process of its own."""
    return folder / "logs" / f"{number:06d}.log"


def log_of_worker(folder: Path, index: int) -> Path:
    """What a worker prints otherwise."""
    return folder / "logs" / f"worker-{index}.log"
