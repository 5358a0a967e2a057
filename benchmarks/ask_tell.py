"""CPU per ask and tell on SQLite, ten parameters, against Optuna's SQLite storage; alternating in one run.

Bar: at most 1/15 of Optuna's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import cotune as ct
from benchmarks import results, rivals

SPACE = {f"x{i}": (0.0, 1.0) for i in range(10)}


def cotune_seconds(path: Path, trials: int, durability: str) -> float:
    """CPU seconds per trial."""
    with ct.Study(None, SPACE, minimize="value", path=path, strategy="random", durability=durability) as study:
        study.ask()
        begun = time.process_time()
        for _ in range(trials):
            trial = study.ask()
            study.tell(trial, sum(trial.config.values()))
        return (time.process_time() - begun) / trials


def main(rounds: int = 5, trials: int = 100) -> None:
    rows = []
    for durability in ("process", "power"):
        ours, theirs = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                ours.append(cotune_seconds(Path(folder) / "ours", 5 * trials, durability))
                theirs.append(rivals.ask("optuna", "ask_tell", path=f"{folder}/optuna.db", trials=trials))
        mine, rival = statistics.median(ours), statistics.median(theirs)
        rows.append({
            "rival": f"optuna {rivals.ask('optuna', 'version')}", "durability": durability, "cotune_ms": 1e3 * mine,
            "optuna_ms": 1e3 * rival, "ratio": rival / mine, "bar": 15,
        })  # fmt: skip
    results.write("ask_tell", rows)


if __name__ == "__main__":
    main()
