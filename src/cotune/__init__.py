"""cotune finds good hyperparameters for a PyTorch model and hands back the trained model.

Names are loaded when they are first used: `import cotune` loads neither torch nor NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotune import errors, plots
    from cotune.config import Config
    from cotune.errors import CotuneError, Interrupted, LeaseLost, NoResult, Paused
    from cotune.executors.fused import Fused
    from cotune.executors.inline import Inline
    from cotune.executors.processes import Processes
    from cotune.executors.simulated import Simulated
    from cotune.records import Trial
    from cotune.schedule import Schedule
    from cotune.schedulers import ASHA, PBT, Hyperband, MedianStopping, Race, SuccessiveHalving
    from cotune.space import Categorical, Float, Int, Prior, Space, at_least, at_most, one_of
    from cotune.space.recipes import scheduled_rate
    from cotune.strategies import Grid, Random
    from cotune.strategies.bayesian import BayesianOptimization
    from cotune.strategies.cmaes import CmaEs
    from cotune.strategies.sobol import Sobol
    from cotune.strategies.tpe import TPE
    from cotune.study import Study
    from cotune.study.functions import maximize, minimize
    from cotune.training import Holdout, KFold, Task, TimeSeries, data, fit

__version__ = "0.1.0"

_HOME = {
    "ASHA": "cotune.schedulers",
    "BayesianOptimization": "cotune.strategies.bayesian",
    "Categorical": "cotune.space",
    "CmaEs": "cotune.strategies.cmaes",
    "Config": "cotune.config",
    "CotuneError": "cotune.errors",
    "Float": "cotune.space",
    "Grid": "cotune.strategies",
    "Holdout": "cotune.training",
    "Fused": "cotune.executors.fused",
    "Hyperband": "cotune.schedulers",
    "Inline": "cotune.executors.inline",
    "Int": "cotune.space",
    "Interrupted": "cotune.errors",
    "KFold": "cotune.training",
    "LeaseLost": "cotune.errors",
    "MedianStopping": "cotune.schedulers",
    "NoResult": "cotune.errors",
    "PBT": "cotune.schedulers",
    "Paused": "cotune.errors",
    "Prior": "cotune.space",
    "Processes": "cotune.executors.processes",
    "Race": "cotune.schedulers",
    "Random": "cotune.strategies",
    "Schedule": "cotune.schedule",
    "Simulated": "cotune.executors.simulated",
    "Sobol": "cotune.strategies.sobol",
    "Space": "cotune.space",
    "Study": "cotune.study",
    "SuccessiveHalving": "cotune.schedulers",
    "TPE": "cotune.strategies.tpe",
    "Task": "cotune.training",
    "TimeSeries": "cotune.training",
    "Trial": "cotune.records",
    "at_least": "cotune.space",
    "at_most": "cotune.space",
    "data": "cotune.training",
    "errors": "cotune",
    "fit": "cotune.training",
    "maximize": "cotune.study.functions",
    "minimize": "cotune.study.functions",
    "one_of": "cotune.space",
    "plots": "cotune",
    "scheduled_rate": "cotune.space.recipes",
}

__all__ = [
    "ASHA",
    "BayesianOptimization",
    "Categorical",
    "CmaEs",
    "Config",
    "CotuneError",
    "Float",
    "Fused",
    "Grid",
    "Holdout",
    "Hyperband",
    "Inline",
    "Int",
    "Interrupted",
    "KFold",
    "LeaseLost",
    "MedianStopping",
    "NoResult",
    "PBT",
    "Paused",
    "Prior",
    "Processes",
    "Race",
    "Random",
    "Schedule",
    "Simulated",
    "Sobol",
    "Space",
    "Study",
    "SuccessiveHalving",
    "TPE",
    "Task",
    "TimeSeries",
    "Trial",
    "__version__",
    "at_least",
    "at_most",
    "data",
    "errors",
    "fit",
    "maximize",
    "minimize",
    "one_of",
    "plots",
    "scheduled_rate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cotune' has no attribute {name!r}")
    if _HOME[name] == "cotune":
        return import_module(f"cotune.{name}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
