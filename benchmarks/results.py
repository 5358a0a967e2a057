"""Writing down what was measured."""

from __future__ import annotations

import csv
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cotune

FOLDER = Path(__file__).parent / "results"


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace results/<name>.csv by these rows, and print them."""
    FOLDER.mkdir(exist_ok=True)
    stamped = [{"cotune": cotune.__version__, "python": platform.python_version(), **row} for row in rows]
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(stamped[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(stamped)
    for row in rows:
        print("  ".join(f"{key}={_short(value)}" for key, value in row.items()))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
