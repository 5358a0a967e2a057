"""What is lost when workers are killed, a thousand times each: workers that ask and tell, and those of one search.

`ask`: four processes that share a study by its path, each asks, works for 50 ms and tells; one of them is killed every
20 to 250 ms and another one begun. `pool`: one search with three workers (`ct.Processes`) whose trials take 100 ms; one
that trains is killed every 500 to 1,500 ms (a new worker takes seconds to load torch: so a slot is free most of the
time). Every process writes down when it begins a trial and what was acknowledged, outside of the study. A trial that
was cut off is begun again so many seconds after the kill (`from_kill`), and after a slot was free (`from_slot`). Bars:
nothing stuck, lost or twice; `from_slot_p95_s` at most 1.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cotune as ct
from benchmarks import results

KILLS, SPACE = 1000, {"x": (0.0, 1.0)}


class Diary:
    """Lines that survive whoever wrote them: what happened, to which trial, when and with which value."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def write(self, what: str, number: int, value: float = 0.0) -> None:
        os.write(self._file, f"{what} {number} {time.monotonic()} {value.hex()}\n".encode())


def read(folder: Path) -> Iterator[tuple[str, int, float, float, str]]:
    """(what, trial, when, value, who) of all diaries in a folder."""
    for file in folder.glob("diary-*"):
        for line in file.read_text(encoding="utf-8").splitlines():
            what, number, when, value = line.split()
            yield what, int(number), float(when), float.fromhex(value), file.name


def own_worker(folder: Path) -> None:
    study = ct.Study(None, SPACE, minimize="value", path=folder / "study", strategy="random")
    diary = Diary(f"{folder}/diary-{os.getpid()}")
    while True:
        trial = study.ask()
        diary.write("begun", trial.number)
        time.sleep(0.05)
        study.tell(trial, trial.config.x)
        diary.write("told", trial.number, trial.config.x)


def kill_own(folder: Path) -> dict[int, float]:
    """Workers that ask and tell; returns when each process was killed."""
    chance, killed = random.Random(2), {}

    def begin() -> int:
        child = os.fork()
        if child == 0:
            own_worker(folder)
        return child

    def kill(child: int) -> None:
        os.kill(child, signal.SIGKILL)
        killed[child] = time.monotonic()
        os.waitpid(child, 0)

    children = [begin() for _ in range(4)]
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.25))
        at = chance.randrange(4)
        kill(children[at])
        children[at] = begin()
    time.sleep(2.0)  # what was cut off last is begun again
    for child in children:
        kill(child)
    for child in children:
        del killed[child]
    with ct.Study(None, SPACE, minimize="value", path=folder / "study", strategy="random") as study:
        last = study.ask()
        study.tell(last, last.config.x)
        while study.history.running or study.history.waiting:
            trial = study.ask()
            study.tell(trial, trial.config.x)
    return killed


def train(trial: Any) -> float:
    diary = Diary(f"{os.environ['COTUNE_KILLS']}/diary-{os.getpid()}")
    diary.write("begun", trial.number)
    time.sleep(0.1)
    diary.write("ended", trial.number, trial.config.x)
    return trial.config.x


def kill_pool(folder: Path) -> dict[int, float]:
    """Workers of one search; returns when each process was killed."""
    os.environ["COTUNE_KILLS"] = str(folder)
    chance, killed = random.Random(2), dict[int, float]()

    def training() -> list[int]:
        last = {int(who.split("-")[1]): what for what, _, _, _, who in read(folder)}
        return [pid for pid, what in last.items() if what == "begun" and pid not in killed]

    def go_on_killing() -> None:
        while len(killed) < KILLS:
            time.sleep(chance.uniform(0.5, 1.5))
            busy = training()
            if busy:
                pid = chance.choice(busy)
                os.kill(pid, signal.SIGKILL)
                killed[pid] = time.monotonic()

    killer = threading.Thread(target=go_on_killing, daemon=True)
    executor = ct.Processes(workers=3)
    study = ct.Study(train, SPACE, minimize="value", path=folder / "study", strategy="random", executor=executor)
    with study:
        killer.start()
        while killer.is_alive():
            study.optimize(trials=len(study.trials) + 100, progress=False)
        study.optimize(trials=len(study.trials) + 3, progress=False)
    return killed


def reclaims(folder: Path, killed: dict[int, float]) -> list[tuple[float, float]]:
    """Per process that was killed at a trial: seconds until the trial was begun again, from the kill; from a free slot.

    That a slot was free shows when any process ends a trial or begins one.
    """
    begun, last, signs = defaultdict(list), dict[int, tuple[str, int]](), []
    for what, number, when, _, who in read(folder):
        last[int(who.split("-")[1])] = (what, number)
        signs.append(when)
        if what == "begun":
            begun[number].append(when)
    waited = []
    for pid, at in killed.items():
        what, number = last.get(pid, ("", 0))
        again = [when for when in begun[number] if when > at]
        if what == "begun" and again:
            free = min(when for when in signs if when > at)
            waited.append((min(again) - at, min(again) - free))
    return waited


def row(who: str, kill: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed = kill(folder)
        waited = reclaims(folder, killed)
        told = [(number, value) for what, number, _, value, _ in read(folder) if what == "told"]
        with ct.Study.open(folder / "study") as study:
            states = Counter(trial.state.name.lower() for trial in study.trials)
            value = {t.number: t.metrics["value"] for t in study.trials if t.state.name == "DONE"}
            wrong = sum(study.trials[n].config.x != v for n, v in value.items())
    return {
        "who": who, "kills": len(killed), "trials": sum(states.values()), "done": states["done"],
        "failed": states["failed"], "stuck": sum(states.values()) - states["done"] - states["failed"],
        "acknowledged": len(told), "lost": sum(value.get(n) != v for n, v in told), "wrong": wrong,
        "twice": len(told) - len(dict(told)), "reclaimed": len(waited),
        **{
            f"{since}_p{share}_s": float(np.percentile([both[at] for both in waited], share))
            for at, since in enumerate(("from_kill", "from_slot"))
            for share in (50, 95, 100)
        },
    }  # fmt: skip


def main() -> None:
    import cotune.study.search
    import cotune.study.study  # noqa: F401 - loaded once, before forks

    results.write("kills", [row("ask", kill_own), row("pool", kill_pool)])


if __name__ == "__main__":
    KILLS = int(sys.argv[1]) if sys.argv[1:] else KILLS
    main()
