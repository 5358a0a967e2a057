"""The demo from end to end: one trial at a time, fused, and in Optuna's plain PyTorch style.

100 trials of 20 epochs with the same configurations (random strategy, seed 0) on the same split, in three spaces:
`fixed` is one network (64-128-10, batches of 32) with optimisers, learning rates and momenta; `powers of two` and
`full` are the demo's own space, the former with batch sizes and widths that are powers of two. Optuna runs in its own
environment (rivals/optuna/demo.py), with its study in memory and accuracy as the only metric. Our studies live in a
folder and measure what the demo measures, so that storage, checkpoints, F1 and AUC are in our seconds.

Each is a fresh process with one thread; its CPU seconds include the imports, which stand apart too. The contenders
take turns, and the least of the rounds counts, because other load only ever adds. Mean accuracy is over the trials,
after their last epochs, and must agree within 0.01 in a space. Bars for fused training: 0.33 of inline in `fixed`,
0.45 in `powers of two`, 0.65 in `full`, and everywhere 0.25 of Optuna. Run `python -m benchmarks.demo_race`.

Where shapes differ, lanes are filled up to a common width and batches are cut, and all trials are lanes at once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cotune as ct
from benchmarks import results, rivals
from cotune.cli.demo import digits_space, digits_task

OURS = ("inline", "fused", "auto")
RIVAL = "optuna"
TRIALS, EPOCHS = 100, 20
SPACES = {"fixed": 25, "powers of two": 100, "full": 100}
"""With how many lanes fused training is demanded: the less alike trials are, the more of them make a population."""
ROUNDS = 2


def space_of(name: str) -> ct.Space:
    demo = dict(digits_space().parameters)
    if name == "full":
        return ct.Space(demo)
    if name == "powers of two":
        return ct.Space({**demo, "batch_size": [2**n for n in range(4, 9)], "hidden": [2**n for n in range(4, 10)]})
    momentum = ct.Float(0.0, 0.99, when={"optimizer": "sgd"})
    return ct.Space(optimizer=demo["optimizer"], learning_rate=demo["learning_rate"], momentum=momentum)


def task_of(name: str, epochs: int) -> ct.Task:
    task = digits_task(epochs)
    if name != "fixed":
        return task
    from torch import nn  # not at the top, so that imports can be timed

    return replace(task, model=lambda c: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)))


def cotune_run(space: str, executor: str, trials: int, epochs: int, folder: str) -> dict[str, Any]:
    """One contender of ours, in a process of its own; answers as the rival does."""
    import torch

    import cotune.study.search  # noqa: F401 - what a study imports when it begins to search

    imported_s = time.process_time()
    torch.set_num_threads(1)
    trainer = ct.Fused(lanes=SPACES[space]) if executor == "fused" else executor
    with tempfile.TemporaryDirectory(dir=folder) as path:
        task = task_of(space, epochs)
        with ct.Study(task, space_of(space), path=path, strategy="random", executor=trainer, seed=0) as study:
            study.optimize(trials, progress=False)
            lanes = {"inline": 1, "fused": SPACES[space]}.get(executor) or study.settings["engine"]["lanes"]
            done = list(study.trials)
    return {
        "lanes": lanes, "cpu_s": time.process_time(), "import_cpu_s": imported_s,
        "configs": [dict(trial.config) for trial in done],
        "accuracies": [trial.curve["accuracy"][-1] for trial in done],
    }  # fmt: skip


def prepare(space: str, trials: int, folder: Path) -> list[dict[str, Any]]:
    """Write down the data as a study splits it and its first configurations, and return these."""
    import numpy as np
    import torch

    x, y = ct.data.digits()
    splits = task_of(space, 1).splits(seed=0, split_seed=0, device=torch.device("cpu"))
    rows, held = splits.train.rows, splits.validation.rows
    np.savez(folder / "data.npz", x=x[rows], y=y[rows], x_valid=x[held], y_valid=y[held])
    study = ct.Study(None, space_of(space), maximize="accuracy", strategy="random", seed=0)
    configs = [dict(trial.config) for trial in study.ask(trials)]
    (folder / "configs.json").write_text(json.dumps(configs), encoding="utf-8")
    return configs


def answer_of(space: str, contender: str, trials: int, epochs: int, folder: Path) -> dict[str, Any]:
    """What a fresh process with one thread says."""
    if contender == RIVAL:
        arguments: dict[str, Any] = {"space": space, "epochs": epochs, "folder": str(folder)}
        command = [str(rivals.python_of(RIVAL)), "-m", f"benchmarks.rivals.{RIVAL}.demo", json.dumps(arguments)]
    else:
        arguments = {"space": space, "executor": contender, "trials": trials, "epochs": epochs, "folder": str(folder)}
        command = [sys.executable, "-m", "benchmarks.demo_race", "--run", json.dumps(arguments)]
    environment = {**os.environ, **rivals.ONE_THREAD}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=rivals.ROOT, env=environment)
    return json.loads(said.stdout.strip().splitlines()[-1])


def race(space: str, contenders: Sequence[str], *, trials: int, epochs: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each contender; the first of them is what the others are compared to."""
    answers: dict[str, list[dict[str, Any]]] = {contender: [] for contender in contenders}
    with tempfile.TemporaryDirectory() as folder:
        configs = prepare(space, trials, Path(folder))
        for _ in range(rounds):
            for contender, given in answers.items():
                given.append(answer_of(space, contender, trials, epochs, Path(folder)))
                assert given[-1]["configs"] == configs, f"{contender} trained other configurations"
                print(space, contender, f"{given[-1]['cpu_s']:.2f} s", flush=True)
    least = {contender: min(given, key=lambda answer: answer["cpu_s"]) for contender, given in answers.items()}
    return [_row(space, contender, least, trials=trials, epochs=epochs, rounds=rounds) for contender in contenders]


def _row(space: str, contender: str, least: Mapping[str, Mapping[str, Any]], **settings: int) -> dict[str, Any]:
    own, accuracies = least[contender], least[contender]["accuracies"]
    row = {
        "space": space, "contender": contender, **settings, "lanes": own["lanes"], "cpu_s": own["cpu_s"],
        "import_cpu_s": own["import_cpu_s"], "best_accuracy": max(accuracies),
        "mean_accuracy": sum(accuracies) / len(accuracies),
    }  # fmt: skip
    for rival in ("inline", RIVAL):
        row[f"ratio_to_{rival}"] = own["cpu_s"] / least[rival]["cpu_s"] if rival in least else ""
    return row


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """quick: a small race in one space, to see that it works; Optuna runs only if its environment is there."""
    if quick:
        contenders = (*OURS, RIVAL) if rivals.is_installed(RIVAL) else OURS
        return race("fixed", contenders, trials=8, epochs=2, rounds=1)
    raced = (race(space, (*OURS, RIVAL), trials=TRIALS, epochs=EPOCHS, rounds=ROUNDS) for space in SPACES)
    return [row for of_space in raced for row in of_space]


def main(quick: bool = False) -> None:
    measured = rows(quick=quick)
    if quick:
        print(*measured, sep="\n")
    else:
        results.write("demo_race", measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 trials of 2 epochs; results are printed only")
    parser.add_argument("--run", metavar="JSON", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(cotune_run(**json.loads(options.run))))
    else:
        main(options.quick)
