"""Memory of a search over 100,000 trivial trials, on a study in a folder: what a trial adds, and what it costs.

Resident memory of the process after every 10,000 trials. Bar: from 10,000 to 100,000 trials at most 2 kB per trial,
which is what the history itself takes. Run `python -m benchmarks.memory`.
"""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import cotune as ct
from benchmarks import results

TRIALS, EVERY = 100_000, 10_000
SPACE = {f"x{i}": (0.0, 1.0) for i in range(5)}


def resident() -> int:
    """Bytes that belong to this process alone."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def main() -> None:
    rows, before = list[dict[str, Any]](), 0
    with tempfile.TemporaryDirectory() as folder:
        study = ct.Study(
            lambda trial: sum(trial.config.values()), SPACE, minimize="value", path=folder, strategy="random",
            executor="inline",
        )  # fmt: skip
        for n in range(EVERY, TRIALS + 1, EVERY):
            begun = time.process_time()
            study.optimize(trials=n, progress=False)
            gc.collect()
            now = resident()
            cpu_ms = 1e3 * (time.process_time() - begun) / EVERY
            added = (now - before) / EVERY if before else None
            rows.append(
                {"trials": n, "resident_mb": now / 1e6, "bytes_per_new_trial": added, "cpu_ms_per_trial": cpu_ms}
            )
            print(rows[-1], flush=True)
            before = now
        study.close()
    first, last = rows[0], rows[-1]
    bytes_each = 1e6 * (last["resident_mb"] - first["resident_mb"]) / (TRIALS - EVERY)
    rows.append({"trials": "growth", "resident_mb": None, "bytes_per_new_trial": bytes_each, "cpu_ms_per_trial": None})
    results.write("memory", rows)


if __name__ == "__main__":
    main()
