"""Folds as a race against folds side by side, at an equal number of epochs of one model.

Four tables: digits, breast cancer and wine of scikit-learn, and a generated one with a fifth of its labels wrong. A
network with one hidden layer, 10 epochs, 5 folds, a quarter of the samples sealed for the test. Both have the epochs of
`TRIALS` trials that train all their folds, the same seeds, and so the same first configurations; `SEEDS` searches each,
one thread. `trials`: that were begun; `done`: that trained all folds. `test_error` of the winner's fold models on the
sealed samples, means over searches; `gain`: by how much the race's is lower, with its standard error over all searches
of a row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

import cotune as ct
from benchmarks import results
from cotune.records import State
from cotune.standard_error import standard_error

TRIALS, FOLDS, EPOCHS, SEEDS, STRATEGIES = 12, 5, 10, 5, ("random", "bayesian")
SPACE = {
    "learning_rate": ct.Float(1e-4, 1e-1, log=True),
    "weight_decay": ct.Float(1e-6, 1e-1, log=True),
    "hidden": ct.Int(4, 128, log=True),
    "dropout": ct.Float(0.0, 0.7),
    "batch_size": [64, 128],
    "optimizer": ["adam"],
}
TABLES: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "generated": lambda: datasets.make_classification(
        600, 30, n_informative=6, n_classes=3, flip_y=0.2, random_state=0
    ),
}


class Outcome(NamedTuple):
    """What a search came to."""

    trials: int
    done: int
    test_error: float


def table(name: str) -> tuple[Tensor, Tensor]:
    """Standardised columns, and classes."""
    x, y = TABLES[name]()
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.int64))


def searched(data: tuple[Tensor, Tensor], strategy: str, seed: int, *, race: bool) -> Outcome:
    n_inputs, n_classes = data[0].shape[1], int(data[1].max()) + 1
    task = ct.Task(
        model=lambda c: nn.Sequential(
            nn.Linear(n_inputs, c.hidden), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.hidden, n_classes)
        ),
        data=data, loss=nn.CrossEntropyLoss(), metrics="accuracy", epochs=EPOCHS,
        validation=ct.KFold(FOLDS, race=race), test=0.25,
    )  # fmt: skip
    study = ct.Study(task, SPACE, strategy=strategy, scheduler="race" if race else "none", executor="inline", seed=seed)
    # side by side, an epoch is one of all folds
    study.optimize(total_epochs=TRIALS * EPOCHS * (FOLDS if race else 1), progress=False)
    done = sum(trial.state is State.DONE for trial in study.trials)
    return Outcome(len(study.trials), done, 1.0 - study.best.test()["accuracy"])


def row(strategy: str, name: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> dict[str, Any]:
    """pairs: (race, side by side), by seed."""
    means = {
        f"{word}_{what}": fmean(getattr(pair[at], what) for pair in pairs)
        for at, word in enumerate(("race", "lockstep"))
        for what in Outcome._fields
    }
    gains = [lockstep.test_error - race.test_error for race, lockstep in pairs]
    gain = {"gain": fmean(gains), "gain_se": standard_error(gains)}
    return {"strategy": strategy, "table": name, "searches": len(pairs), **means, **gain}


def rows(strategy: str) -> Iterator[dict[str, Any]]:
    """One for each table, and one for all."""
    every = list[tuple[Outcome, Outcome]]()
    for name in TABLES:
        data = table(name)
        pairs = [
            (searched(data, strategy, seed, race=True), searched(data, strategy, seed, race=False))
            for seed in range(SEEDS)
        ]
        every += pairs
        yield row(strategy, name, pairs)
    yield row(strategy, "all", every)


def main() -> None:
    torch.set_num_threads(1)
    begun = time.process_time()
    found = [one for strategy in STRATEGIES for one in rows(strategy)]
    assert all(math.isfinite(one["gain"]) for one in found)
    results.write("fold_race", found)
    print(f"{time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()
