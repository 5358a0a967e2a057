"""Clocks that are set while a search runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cotune as ct

UNSTEADY = """
import itertools, time
jumps, steady, steady_ns = itertools.cycle((86400, -86400, 3600, -7)), time.time, time.time_ns
time.time = lambda: steady() + next(jumps)
time.time_ns = lambda: steady_ns() + 10**9 * next(jumps)
"""

PROGRAM = """
import sys, time
import cotune as ct

a, b = time.time(), time.time()
assert abs(a - b) > 1000, "the clock is steady"

def train(trial):
    for step in range(3):
        time.sleep(0.02)
        trial.report(step=step + 1, value=trial.config.x + step)

study = ct.Study(
    train, {"x": (0.0, 1.0)}, path=sys.argv[1], minimize="value", strategy="random", epochs=3,
    executor=ct.Processes(workers=2, ordered=True, trial_timeout=30),
)
study.optimize(trials=6, seconds=60, progress=False)
"""


def searched(folder: Path, *before: Path) -> list[tuple[object, ...]]:
    """What came of the trials, and how often each was begun, where the search loads what lies in folders first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, before))}
    program = folder.parent / "program.py"
    program.write_text(PROGRAM if before else PROGRAM.replace("assert", "assert not"), encoding="utf-8")
    subprocess.run([sys.executable, program, folder], env=environment, check=True, timeout=120)
    with ct.Study.open(folder) as study:
        return [(t.state, dict(t.config), dict(t.metrics), study.history.epoch(t.number)) for t in study.trials]


@pytest.mark.xdist_group("processes")
def test_a_clock_that_is_set_changes_nothing(tmp_path: Path) -> None:
    """Leases, limits and budgets are kept by the steady clock alone, in the search and in its workers."""
    (tmp_path / "sitecustomize.py").write_text(UNSTEADY, encoding="utf-8")
    trials = searched(tmp_path / "unsteady", tmp_path)
    assert len(trials) == 6 and trials == searched(tmp_path / "steady")
