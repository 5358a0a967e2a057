"""Programs that the kill tests run in processes of their own: `python programs.py NAME ARGUMENTS...`."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cotune as ct
from cotune.storage import SqliteStorage

TRIALS, EPOCHS = 24, 3


def task_study(
    strategy: str, path: str | None, *, scheduler: str = "auto", epochs: int = EPOCHS, workers: int = 0
) -> ct.Study:
    """A small network on digits, with dropout and momentum so that every state matters."""
    from torch import nn

    task = ct.Task(
        model=lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(c.hidden, 10)),
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1"],
        epochs=epochs,
        test=0.2,
    )
    space = ct.Space(
        optimizer=["sgd", "adam", "rmsprop"],
        learning_rate=ct.Float(1e-4, 1e-1, log=True),
        momentum=ct.Float(0.0, 0.99, when={"optimizer": "sgd"}),
        batch_size=[128, 256],
        hidden=ct.Int(8, 32),
    )
    executor = ct.Inline(checkpoint_s=0.0)
    if workers:
        executor = ct.Processes(workers=workers, each=executor, ordered=True, at_once=4)
    return ct.Study(task, space, path=path, strategy=strategy, scheduler=scheduler, seed=5, executor=executor)


def stopping_study(scheduler: str) -> Callable[[str, str | None], ct.Study]:
    """The same with longer trials, most of which are left early."""
    return lambda strategy, path: task_study(strategy, path, scheduler=scheduler, epochs=9)


def loop_study(strategy: str, path: str | None) -> ct.Study:
    """A user's own loop that draws from all three global generators."""
    import numpy as np
    import torch

    def train(trial: object) -> None:
        net = torch.nn.Linear(4, 1)
        optimizer = torch.optim.Adam(net.parameters(), lr=trial.config.lr)
        trial.track(model=net, optimizer=optimizer)
        for _ in trial.epochs():
            loss = torch.zeros(())
            for _ in range(20):
                x = torch.randn(32, 4) + np.random.rand() + random.random()  # noqa: NPY002 - what users do
                loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                time.sleep(0.001)
            trial.report(loss=loss.item(), bias=net.bias.item())

    space = {"lr": ct.Float(1e-3, 1.0, log=True)}
    return ct.Study(
        train, space, path=path, strategy=strategy, seed=5, minimize="loss", epochs=EPOCHS,
        executor=ct.Inline(checkpoint_s=0.0),
    )  # fmt: skip


def fused_study(strategy: str, path: str | None, checkpoint_s: float = 0.0) -> ct.Study:
    """Trials side by side in four lanes, of two widths and different lengths, so that lanes are always on the move."""
    from torch import nn

    task = ct.Task(
        model=lambda c: nn.Sequential(nn.Linear(64, c.width), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.width, 10)),
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1"],
        epochs=4,
    )
    space = ct.Space(
        optimizer=["sgd", "adam", "rmsprop"],
        learning_rate=ct.Float(1e-4, 1e-1, log=True),
        width=[8, 16],
        dropout=ct.Float(0.0, 0.5),
        epochs=ct.Int(2, 4),
        batch_size=[128],
    )
    return ct.Study(
        task, space, path=path, strategy=strategy, seed=5, executor=ct.Fused(lanes=4, checkpoint_s=checkpoint_s)
    )


def race_study(strategy: str, path: str | None, *, executor: str = "inline") -> ct.Study:
    """Folds one after another, of trials of different lengths, some of which are stopped after their first ones."""
    from torch import nn

    task = ct.Task(
        model=lambda c: nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(16, 10)),
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1"],
        epochs=3,
        validation=ct.KFold(3, race=True),
    )
    space = ct.Space(
        learning_rate=ct.Float(1e-4, 1e-1, log=True),
        dropout=ct.Float(0.0, 0.5),
        epochs=ct.Int(1, 3),
        batch_size=[256],
    )
    engines = {"inline": ct.Inline(checkpoint_s=0.0), "fused": ct.Fused(lanes=3, checkpoint_s=0.0)}
    return ct.Study(task, space, path=path, strategy=strategy, seed=5, executor=engines[executor])


def seldom_saved_study(strategy: str, path: str | None) -> ct.Study:
    """The same with checkpoints at the trials' ends only: after a kill, lanes begin again beside trials that ended."""
    return fused_study(strategy, path, checkpoint_s=1e9)


def population_study(
    strategy: str, path: str | None, *, executor: str = "inline", asynchronous: bool = False
) -> ct.Study:
    """A population whose members copy each other; the optimiser, and with it the state, is drawn once."""
    from torch import nn

    task = ct.Task(
        model=lambda c: nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(16, 10)),
        data=ct.data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1"],
        epochs=9,
    )
    space = ct.Space(
        optimizer=["sgd", "adam"],
        learning_rate=ct.Float(1e-4, 1e-1, log=True, schedule=True),
        momentum=ct.Float(0.0, 0.99, schedule=True, when={"optimizer": "sgd"}),
        dropout=ct.Float(0.0, 0.5, schedule=True),
        batch_size=[128],
    )
    engines = {
        "inline": ct.Inline(checkpoint_s=0.0), "fused": ct.Fused(lanes=6, checkpoint_s=0.0),
        "processes": ct.Processes(workers=2),
    }  # fmt: skip
    scheduler = ct.PBT(population=6, every=2, asynchronous=asynchronous)
    return ct.Study(task, space, path=path, strategy=strategy, scheduler=scheduler, seed=5, executor=engines[executor])


def _untracked(trial: object) -> float:
    time.sleep(0.02 if trial.number % 3 else 0.1)
    return (trial.config.x - 0.3) ** 2 + trial.config.y


SCHEDULERS = ("asha", "hyperband", "halving", "median")
STUDIES = {
    "task": task_study, "loop": loop_study, "fused": fused_study, "seldom saved": seldom_saved_study,
    **{scheduler: stopping_study(scheduler) for scheduler in SCHEDULERS},
    "ordered functions": lambda strategy, path: ct.Study(
        _untracked, {"x": (0.0, 1.0), "y": (0.0, 1.0)}, path=path, minimize="value", strategy=strategy, seed=3,
        executor=ct.Processes(workers=2, ordered=True, at_once=3),
    ),
    "ordered": partial(task_study, scheduler="asha", epochs=9, workers=2),
    "pbt": population_study, "pbt fused": partial(population_study, executor="fused"),
    "pbt asynchronous": partial(population_study, asynchronous=True),
    "race": race_study, "race fused": partial(race_study, executor="fused"),
}  # fmt: skip
PROGRESS = {
    "task": 1, "loop": 1, "fused": 9, "seldom saved": 1, **dict.fromkeys(SCHEDULERS, 1), "ordered": 9,
    "pbt": 1, "pbt fused": 13, "pbt asynchronous": 1, "race": 1, "race fused": 7,
}  # fmt: skip
"""So many checkpoints and outcomes between two kills: each lane has one, so no trial dies three times on one spot."""
DELAY_S = {  # one to three epochs
    "task": 0.02, "loop": 0.08, "fused": 0.05, "seldom saved": 0.1, **dict.fromkeys(SCHEDULERS, 0.02),
    "ordered": 0.2, "pbt": 0.02, "pbt fused": 0.05, "pbt asynchronous": 0.02, "race": 0.02,
    "race fused": 0.05,
}  # fmt: skip


def killed(kind: str, strategy: str, path: str, n_kills: str, seed: str) -> None:
    """Run the study in a forked child, kill it at random moments, and run it again until it ends by itself.

    A kill comes after the child has made some progress that counts, so that no trial dies three times on one spot.
    """
    import torch
    import torch._dynamo  # every optimiser loads it; here once instead of in every child

    import cotune.study.objectives
    import cotune.study.search  # noqa: F401

    torch.set_num_threads(1)
    chance, kills = random.Random(int(seed)), 0
    while True:
        before = _progress(path)
        child = os.fork()
        if child == 0:
            STUDIES[kind](strategy, path).optimize(trials=TRIALS, progress=False)
            os._exit(0)
        while (
            kills < int(n_kills)
            and _progress(path) < before + PROGRESS[kind]
            and os.waitpid(child, os.WNOHANG) == (0, 0)
        ):
            time.sleep(0.002)
        if kills == int(n_kills):
            _, status = os.waitpid(child, 0)
            sys.exit(os.waitstatus_to_exitcode(status))
        time.sleep(chance.random() * DELAY_S[kind])
        _kill(child)
        kills += 1


def run(kind: str, strategy: str, path: str) -> None:
    """Search until the end, or until a signal comes."""
    STUDIES[kind](strategy, path).optimize(trials=TRIALS, progress=False)


def _kill(child: int) -> None:
    """Kill a child that is still at work; one that ended by itself is an error, lest it count as killed."""
    try:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        sys.exit("the study ended by itself before its last kill; make it longer")
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit(f"a process ended by itself with status {status} before it was killed")


def _progress(path: str) -> int:
    """Number of checkpoints and outcomes in the log."""
    storage, position, n = SqliteStorage(Path(path)), 0, 0
    while events := storage.read(position):
        position += len(events)
        n += sum(event.kind in ("checkpointed", "finished") for event in events)
    storage.close()
    return n


def ending(path: str, n_runs: str) -> None:
    """Run a study whose trial 1 ends its process, again and again, and print how each run ended."""
    import cotune.study.search  # noqa: F401 - loaded once

    for _ in range(int(n_runs)):
        child = os.fork()
        if child == 0:
            study = ct.Study(
                lambda trial: os._exit(9) if trial.number == 1 else trial.config.x,
                {"x": (0.0, 1.0)}, path=path, strategy="random",
            )  # fmt: skip
            study.optimize(trials=3, progress=False)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


def worker(path: str, trials: str, receipts: str) -> None:
    """Ask, take 50 ms, tell, and write down what was acknowledged."""
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", path=path, strategy="random")
    with Path(receipts).open("a", encoding="utf-8") as file:
        while len(study.trials) < int(trials) or study.history.waiting:
            trial = study.ask()
            time.sleep(0.05)
            study.tell(trial, trial.config.x)
            os.write(file.fileno(), f"{trial.number} {trial.config.x.hex()}\n".encode())


def killed_workers(path: str, receipts: str, n_workers: str, n_kills: str) -> None:
    """Keep workers going and kill one of them every now and then; the survivor of the last kill ends the study."""
    import cotune.study.study  # noqa: F401 - loaded once

    chance = random.Random(1)

    def begin() -> int:
        child = os.fork()
        if child == 0:
            worker(path, "100000", f"{receipts}-{os.getpid()}")
        return child

    children = [begin() for _ in range(int(n_workers))]
    for _ in range(int(n_kills)):
        time.sleep(chance.uniform(0.02, 0.25))
        index = chance.randrange(len(children))
        _kill(children[index])
        children[index] = begin()
    for child in children:
        _kill(child)
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", path=path, strategy="random")
    done = study.ask()
    study.tell(done, done.config.x)
    while study.history.running or study.history.waiting:
        trial = study.ask()
        study.tell(trial, trial.config.x)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
