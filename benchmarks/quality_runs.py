"""What was measured of each strategy: one line per search in results/quality/<strategy>.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "results" / "quality"
FIELDS = ("version", "problem", "seed", "trials", "cpu_ms", "late_cpu_ms", "incumbents")


@dataclass(frozen=True, slots=True)
class Run:
    """One search. cpu_ms: CPU per suggestion over all trials, late_cpu_ms over the second half.

    A suggestion's CPU is that of telling the loss before it and of asking.
    incumbents: (number of trials, noiseless loss) each time that the lowest observed result was undercut.
    """

    version: str
    problem: str
    seed: int
    trials: int
    cpu_ms: float
    late_cpu_ms: float
    incumbents: tuple[tuple[int, float], ...]

    def after(self, trials: int) -> float:
        """The noiseless loss of what would be recommended after so many trials; NaN if nothing succeeded."""
        return next((loss for trial, loss in reversed(self.incumbents) if trial <= trials), math.nan)


def read(strategy: str, folder: Path = FOLDER) -> list[Run]:
    """All runs of a strategy in the order they were made; a last line that was cut short is left out."""
    path = folder / f"{strategy}.csv"
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [_parsed(row) for row in csv.DictReader(whole.splitlines())]


def append(strategy: str, run: Run, folder: Path = FOLDER) -> None:
    """Add one line, in one write."""
    folder.mkdir(parents=True, exist_ok=True)
    incumbents = " ".join(f"{trial}:{loss:.7g}" for trial, loss in run.incumbents)
    values = (
        run.version, run.problem, run.seed, run.trials, f"{run.cpu_ms:.4g}", f"{run.late_cpu_ms:.4g}", incumbents,
    )  # fmt: skip
    path = folder / f"{strategy}.csv"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if not text.endswith("\n"):
        path.write_text(text.rpartition("\n")[0] + "\n" if "\n" in text else ",".join(FIELDS) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(",".join(map(str, values)) + "\n")


def _parsed(row: Mapping[str, str]) -> Run:
    pairs = (pair.split(":") for pair in row["incumbents"].split())
    return Run(
        row["version"], row["problem"], int(row["seed"]), int(row["trials"]), float(row["cpu_ms"]),
        float(row["late_cpu_ms"]), tuple((int(trial), float(loss)) for trial, loss in pairs),
    )  # fmt: skip
