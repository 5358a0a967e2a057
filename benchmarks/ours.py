"""cotune's side of the pipe that rivals are asked over, so that all are driven and timed alike."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any

import torch

import cotune as ct
from benchmarks.rivals.lines import Spec, serve


class Cotune:
    """A study in memory, by ask and tell."""

    def __init__(self, space: Sequence[Spec], strategy: str, seed: int, trials: int) -> None:
        searched = ct.Space.from_json({"parameters": space})
        self._study = ct.Study(None, searched, minimize="value", strategy=strategy, seed=seed)
        self._trial: Any = None

    def ask(self) -> Mapping[str, Any]:
        self._trial = self._study.ask()
        return self._trial.config

    def tell(self, loss: float | None) -> None:
        if loss is None:
            self._study.tell(self._trial, failed="the training diverged")
        else:
            self._study.tell(self._trial, loss)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(importlib.import_module("cotune.strategies").__path__, "cotune.strategies."):
        importlib.import_module(module.name)  # so that no search pays for it
    serve(Cotune)
