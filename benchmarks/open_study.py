"""CPU to open a study of 10,000 trials, ten parameters, five reports each, and to name its best.

Bar: at most 0.5 s. The study is written through the same events that a search writes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import results, rivals
from cotune.records import Created, Finished, Reported, Started
from cotune.space import Space
from cotune.storage import SqliteStorage

TRIALS = 10_000
OPEN = """
import sys, time
import cotune as ct, cotune.study
begun = time.process_time()
study = ct.Study.open(sys.argv[1])
best, trials = study.best, study.trials
assert len(trials) == int(sys.argv[2]) and len(trials[17].curve["value"]) == 5 and best.value == 0.0
print(time.process_time() - begun, "torch" in sys.modules)
"""


def fill(folder: Path) -> None:
    """Write the study, a few hundred trials per append."""
    space = Space({f"x{i}": (0.0, 1.0) for i in range(10)})
    storage = SqliteStorage(folder)
    storage.append([Created(space.to_json(), {"value": False}, 0, 5)], 0)
    position = 1
    for first in range(0, TRIALS, 500):
        events = []
        for n in range(first, first + 500):
            config = {name: (n % 9973) / 9973 + i * 1e-7 for i, name in enumerate(space.names)}
            events += [
                Started(n, config, "host-1234-abcdef", 5, {"strategy": "random"}, position),
                Reported(n, 1, [1, 2, 3, 4, 5], {"value": [n + 1 / (3 + s) for s in range(5)]}),
                Finished(n, 1, 5, {"value": float(n)}, 0.123456),
            ]
        storage.append(events, position)
        position += len(events)
    storage.close()


def main(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "ours")
        rivals.ask("optuna", "fill", path=f"{folder}/optuna.db", trials=TRIALS // 10)
        ours, theirs = [], []
        for _ in range(rounds):
            command = [sys.executable, "-c", OPEN, f"{folder}/ours", str(TRIALS)]
            seconds, torch = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            assert torch == "False"
            ours.append(float(seconds))
            theirs.append(10 * rivals.ask("optuna", "open_study", path=f"{folder}/optuna.db")["seconds"])
        size = (Path(folder) / "ours" / "study.db").stat().st_size / 1e6
    row = {
        "trials": TRIALS,
        "parameters": 10,
        "reports": 5,
        "cotune_s": statistics.median(ours),
        "cotune_max_s": max(ours),
        "bar_s": 0.5,
        "file_mb": size,
        "rival": f"optuna {rivals.ask('optuna', 'version')} (1,000 trials, times ten)",
        "optuna_s": statistics.median(theirs),
    }
    results.write("open_study", [row])


if __name__ == "__main__":
    main()
