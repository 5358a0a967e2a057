"""The report of a study of 1,000 trials: its size, the CPU to write it, and the CPU that Chromium takes to show it.

Bars: 1.5 MB; 1.5 s from navigating until a second after the second frame, in all of the browser's processes; no
line on the console, and no request but the page itself. The study has a conditional space, curves, trials that failed
and trials that were stopped; 900 of them are random, 100 from the Gaussian process.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cotune as ct
from benchmarks import chromium, results

TRIALS, RANDOM = 1_000, 900
_SETTLED_S = 1.0
"""What a browser does after it has begun counts for an empty page, what it draws after the second frame for ours."""
SPACE = {
    "optimizer": ["sgd", "adam", "rmsprop"],
    "learning_rate": ct.Float(1e-4, 1e-1, log=True),
    "momentum": ct.Float(0.0, 0.99, when={"optimizer": "sgd"}),
    "weight_decay": ct.Float(1e-6, 1e-2, log=True),
    "batch_size": [16, 32, 64, 128, 256],
    "hidden": ct.Int(16, 512, log=True),
    "layers": ct.Int(1, 4),
    "dropout": ct.Float(0.0, 0.6),
}


def trained(trial: Any) -> None:
    """Curves that rise to a height with one summit; high learning rates fail."""
    c = trial.config
    rate, width = math.log10(c.learning_rate), math.log2(c.hidden * c.layers)
    if c.learning_rate > 0.08:
        raise ValueError(f"the loss is NaN at a learning rate of {c.learning_rate:.3f}")
    height = 0.95 - 0.05 * (rate + 2.4) ** 2 - 0.004 * (width - 8) ** 2 - 0.1 * (c.dropout - 0.2) ** 2
    height -= 0.03 * (c.momentum - 0.9) ** 2 + 0.01 if c.optimizer == "sgd" else 0.002 * math.log2(c.batch_size)
    height -= 0.003 * abs(math.log10(c.weight_decay) + 4)
    for epoch in trial.epochs():
        accuracy = height - 0.4 * math.exp(-(epoch + 1) / 6) + 0.003 * math.sin(37 * epoch + 1000 * c.dropout)
        trial.report(accuracy=accuracy, loss=-math.log(max(accuracy, 0.05)))


def make(folder: Path) -> None:
    """Write the study."""
    for strategy, n in (("random", RANDOM), ("bayesian", TRIALS)):
        study = ct.Study(
            trained, SPACE, path=folder, maximize="accuracy", epochs=27, strategy=strategy, scheduler="asha",
            executor="inline",
        )  # fmt: skip
        with study:
            study.optimize(n, progress=False)


def shown(page: Path) -> tuple[float, int, int]:
    """CPU seconds of the browser beyond those of an empty page, lines on its console, and requests beside the page."""
    with chromium.tab() as tab:
        tab.look()
        tab.open("about:blank")
        time.sleep(_SETTLED_S)
        before = tab.cpu_seconds()
        tab.open(page.as_uri())
        time.sleep(_SETTLED_S)
        spent = tab.cpu_seconds() - before
        requests = [one for one in tab.requests if one not in (page.as_uri(), "about:blank")]
        return spent, len(tab.complaints), len([one for one in requests if not one.startswith("data:")])


def main(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "digits")
        with ct.Study.open(Path(folder) / "digits") as study:
            study.report(f"{folder}/first.html")  # loads torch
            begun = time.process_time()
            page = study.report(f"{folder}/page.html")
            write_s = time.process_time() - begun
            n_failed = sum(trial.failure is not None for trial in study.trials)
        costs, complaints, requests = zip(*[shown(page) for _ in range(rounds)], strict=True)
        size = page.stat().st_size
    row = {
        "trials": TRIALS,
        "failed": n_failed,
        "parameters": len(SPACE),
        "bytes": size,
        "bar_bytes": 1_500_000,
        "write_cpu_s": write_s,
        "chromium_cpu_s": statistics.median(costs),
        "chromium_max_s": max(costs),
        "bar_s": 1.5,
        "console_lines": max(complaints),
        "requests": max(requests),
    }
    results.write("report", [row])


if __name__ == "__main__":
    main()
