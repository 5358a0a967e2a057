"""Trials per second of 1 to 16 workers whose objective sleeps for 50 ms, against Optuna and Ray Tune in the same run.

cotune: `ct.Processes(workers=n)`; Optuna: n processes on one study, in SQLite and in a journal file; Ray Tune: n actors
at a time. All choose ten numbers at random. The start of the workers is left out: what counts lies between the first
results and the last. `overhead_ms` is what a trial costs a worker beyond the 50 ms. Bar: at 2 workers, our overhead is
at most 1/50 of Ray Tune's.

`speedup`: the digits demo, fixed shapes, 48 trials, fused in each of two worker processes, against fused in one; and
the same of two plain processes that know nothing of each other, with half the trials each. Bar: 0.8 of theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cotune as ct
from benchmarks import results, rivals
from cotune.cli.demo import digits_task

WORKERS, SLEEP_S, SECONDS, RAY_TRIALS = (1, 2, 4, 8, 16), 0.05, 8.0, 24
SPACE = {f"x{i}": (0.0, 1.0) for i in range(10)}
TRIALS, EPOCHS, LANES, ROUNDS = 48, 20, 16, 3


def sleep(trial: Any) -> dict[str, float]:
    config = dict(trial.config)
    time.sleep(SLEEP_S)
    return {"value": sum(config.values()), "ended": time.monotonic()}


def ours_per_s(workers: int) -> float:
    """Between the first results and the last."""
    n = workers + round(workers * SECONDS / SLEEP_S / 2)
    with tempfile.TemporaryDirectory() as folder:
        study = ct.Study(
            sleep, SPACE, minimize="value", path=folder, strategy="random", executor=ct.Processes(workers=workers)
        )
        with study:
            study.optimize(trials=n, progress=False)
            ended = sorted(trial.metrics["ended"] for trial in study.trials)
    return (n - workers) / (ended[-1] - ended[workers - 1])


def optuna_per_s(workers: int, ending: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/study{ending}"
        answer = rivals.ask("optuna", "throughput", path=path, processes=workers, seconds=SECONDS, sleep_s=SLEEP_S)
    return answer["trials"] / SECONDS


def rows_of(workers: int) -> list[dict[str, Any]]:
    ray = rivals.ask("ray_tune", "throughput", workers=workers, trials=RAY_TRIALS + workers, sleep_s=SLEEP_S)
    rates = {
        "cotune": ours_per_s(workers), "optuna sqlite": optuna_per_s(workers, ".db"),
        "optuna journal": optuna_per_s(workers, ".journal"), "ray tune": ray["per_s"],
    }  # fmt: skip
    overhead = {who: 1e3 * (workers / rate - SLEEP_S) for who, rate in rates.items()}
    return [
        {
            "workers": workers, "who": who, "per_s": rate, "share_of_ideal": rate * SLEEP_S / workers,
            "overhead_ms": overhead[who], "overhead_to_ray": overhead[who] / overhead["ray tune"],
        }
        for who, rate in rates.items()
    ]  # fmt: skip


def fused_study(seed: int, executor: Any, folder: str) -> ct.Study:
    space = ct.Space(
        optimizer=["sgd", "adam", "rmsprop"], learning_rate=ct.Float(1e-4, 1e-1, log=True), batch_size=[32],
        hidden=[128],
    )  # fmt: skip
    task = digits_task(EPOCHS)
    return ct.Study(task, space, path=folder, strategy="random", scheduler="none", seed=seed, executor=executor)


def part(seed: str, trials: str, folder: str) -> None:
    """One plain process: a fused search of its own; prints the seconds of the search without the imports."""
    import cotune.executors.fused
    import cotune.study.search  # noqa: F401

    study = fused_study(int(seed), ct.Fused(lanes=LANES), folder)
    begun = time.monotonic()
    study.optimize(trials=int(trials), progress=False)
    print(time.monotonic() - begun)


def plain_s(parts: int) -> float:
    """The longest of so many processes that share out the trials."""
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            [
                sys.executable,
                "-m",
                "benchmarks.workers",
                "part",
                str(at),
                str(TRIALS // parts),
                str(Path(folder) / str(at)),
            ]
            for at in range(parts)
        ]
        environment = {**os.environ, **rivals.ONE_THREAD}
        running = [subprocess.Popen(c, stdout=subprocess.PIPE, text=True, env=environment) for c in commands]
        return max(float(process.communicate()[0].split()[-1]) for process in running)


def workers_s(workers: int) -> float:
    """One search with so many worker processes, from when all are ready."""
    from cotune.executors.processes.pool import Pool

    begun = 0.0

    class Timed(ct.Processes):
        def equip(self, equipment: Any) -> Any:
            nonlocal begun
            pool: Pool = super().equip(equipment)
            while not all(worker.is_ready for worker in pool._workers):
                pool._listen(0.1, print)
            begun = time.monotonic()
            return pool

    with tempfile.TemporaryDirectory() as folder:
        executor = Timed(workers=workers, each=ct.Fused(lanes=LANES), threads=1)
        study = fused_study(0, executor, folder)
        study.optimize(trials=TRIALS, progress=False)
        return time.monotonic() - begun


def speedup() -> dict[str, Any]:
    least = {
        (kind, n): min(measure(n) for _ in range(ROUNDS))
        for kind, measure in (("plain", plain_s), ("workers", workers_s))
        for n in (1, 2)
    }
    plain, ours = (least[kind, 1] / least[kind, 2] for kind in ("plain", "workers"))
    return {
        "trials": TRIALS, **{f"{kind}_{n}_s": seconds for (kind, n), seconds in least.items()},
        "plain_speedup": plain, "workers_speedup": ours, "share": ours / plain, "bar": 0.8,
    }  # fmt: skip


def main() -> None:
    results.write("workers", [row for workers in WORKERS for row in rows_of(workers)])
    results.write("workers_speedup", [speedup()])


if __name__ == "__main__":
    part(*sys.argv[2:]) if sys.argv[1:2] == ["part"] else main()
