"""cotune's side of the pipe that rivals are asked over, so that all are driven and timed alike."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

import cotune as ct
from benchmarks.rivals.lines import Spec, serve


class Cotune:
    """A study in memory, by ask and tell."""

    def __init__(self, space: Sequence[Spec], strategy: str, seed: int, losses: Sequence[str]) -> None:
        searched = ct.Space.from_json({"parameters": space})
        self._study = ct.Study(None, searched, minimize=list(losses), strategy=strategy, seed=seed)
        self._losses = losses
        self._trial: Any = None

    def ask(self) -> Mapping[str, Any]:
        self._trial = self._study.ask()
        return self._trial.config

    def tell(self, loss: float | Sequence[float] | None) -> None:
        if loss is None:
            self._study.tell(self._trial, failed="the training diverged")
        else:
            values = loss if isinstance(loss, Sequence) else [loss]
            self._study.tell(self._trial, **dict(zip(self._losses, values, strict=True)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(importlib.import_module("cotune.strategies").__path__, "cotune.strategies."):
        importlib.import_module(module.name)  # so that no search pays for it
    losses = ["first", "second"] if sys.argv[1:] == ["fronts"] else ["value"]
    serve(lambda space, strategy, seed, trials: Cotune(space, strategy, seed, losses))
