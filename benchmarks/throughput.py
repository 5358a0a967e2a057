"""Sixteen processes on one study file with objectives that sleep 50 ms, against Optuna's SQLite and a bare SQLite.

The bare baseline sleeps 50 ms and appends one row of the size of a trial. Bars: no error, at least 10 times Optuna's
trials, at least 0.8 of the bare rows.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cotune as ct
from benchmarks import results, rivals

PROCESSES, SECONDS, SLEEP_S = 16, 10.0, 0.05
SPACE = {f"x{i}": (0.0, 1.0) for i in range(10)}


def cotune_step(path: str) -> Callable[[], None]:
    """Ask, sleep, tell."""
    study = ct.Study(None, SPACE, minimize="value", path=path, strategy="random")

    def step() -> None:
        trial = study.ask()
        time.sleep(SLEEP_S)
        study.tell(trial, sum(trial.config.values()))

    return step


def bare_step(path: str) -> Callable[[], None]:
    """Sleep, append one row."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("create table if not exists event (position integer primary key, body text)")

    def step() -> None:
        time.sleep(SLEEP_S)
        database.execute("begin immediate")
        database.execute("insert into event (body) values (?)", ("x" * 400,))
        database.execute("commit")

    return step


def _work(kind: str, path: str, ready: Any, go: Any, counts: Any) -> None:
    step = {"cotune": cotune_step, "bare": bare_step}[kind](path)
    done = errors = 0
    ready.release()
    go.wait()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            step()
            done += 1
        except Exception:  # noqa: BLE001 - every error counts against us
            errors += 1
    counts.put((done, errors))


def measure(kind: str, path: str) -> tuple[int, int]:
    """Trials and errors of all processes together."""
    context = get_context("spawn")
    ready, go, counts = context.Semaphore(0), context.Event(), context.Queue()
    workers = [context.Process(target=_work, args=(kind, path, ready, go, counts)) for _ in range(PROCESSES)]
    if kind == "bare":
        bare_step(path)
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    go.set()
    rows = [counts.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(done for done, _ in rows), sum(errors for _, errors in rows)


def main(rounds: int = 3) -> None:
    ours, bare, theirs, errors = [], [], [], 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            done, failed = measure("cotune", str(Path(folder) / "ours"))
            ours.append(done / SECONDS)
            errors += failed
            bare.append(measure("bare", str(Path(folder) / "bare.db"))[0] / SECONDS)
            rival = rivals.ask(
                "optuna", "throughput", path=f"{folder}/o.db", processes=PROCESSES, seconds=SECONDS, sleep_s=SLEEP_S
            )
            theirs.append(rival["trials"] / SECONDS)
    mine, floor, rival = (statistics.median(values) for values in (ours, bare, theirs))
    results.write("throughput", [{
        "processes": PROCESSES, "sleep_ms": 1e3 * SLEEP_S, "cotune_per_s": mine, "errors": errors,
        "bare_sqlite_per_s": floor, "share_of_bare": mine / floor, "bar_share": 0.8,
        "rival": f"optuna {rivals.ask('optuna', 'version')}", "optuna_per_s": rival,
        "ratio": mine / rival, "bar_ratio": 10,
    }])  # fmt: skip


if __name__ == "__main__":
    main()
