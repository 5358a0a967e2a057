"""The shortest way: one plain function of a configuration, minimised or maximised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from cotune.config import Config
from cotune.executors.objective import of_config
from cotune.space import Space
from cotune.strategies import Strategy
from cotune.study.study import Study


def minimize(
    function: Callable[[Config], Any],
    space: Space | Mapping[str, Any],
    *,
    trials: int,
    seed: int = 0,
    path: str | Path | None = None,
    strategy: str | Strategy = "auto",
    stop: Literal["auto"] | None = None,
    tolerance: float | None = None,
    target: float | None = None,
    patience: int | None = None,
    progress: bool = False,
) -> Study:
    """Search for the configuration with the lowest value of `function`, and return the study.

    stop, tolerance, target, patience: what ends the search before all trials are spent, as in `Study.optimize`.

    >>> study = minimize(lambda c: (c.x - 1) ** 2, {"x": (-2.0, 2.0)}, trials=64)
    >>> abs(study.best.config.x - 1) < 0.1
    True
    """
    study = Study(of_config(function), space, minimize="value", seed=seed, path=path, strategy=strategy)
    return study.optimize(
        trials=trials, stop=stop, tolerance=tolerance, target=target, patience=patience, progress=progress
    )


def maximize(
    function: Callable[[Config], Any],
    space: Space | Mapping[str, Any],
    *,
    trials: int,
    seed: int = 0,
    path: str | Path | None = None,
    strategy: str | Strategy = "auto",
    stop: Literal["auto"] | None = None,
    tolerance: float | None = None,
    target: float | None = None,
    patience: int | None = None,
    progress: bool = False,
) -> Study:
    """Search for the configuration with the highest value of `function`, and return the study; see `minimize`."""
    study = Study(of_config(function), space, maximize="value", seed=seed, path=path, strategy=strategy)
    return study.optimize(
        trials=trials, stop=stop, tolerance=tolerance, target=target, patience=patience, progress=progress
    )
