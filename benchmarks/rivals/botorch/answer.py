"""Runs in BoTorch's own environment and serves searches (lines.py): a plain loop, as its tutorials write it.

Ten Sobol points, then a SingleTaskGP with its default priors and the log expected improvement. Choices are one-hot
columns, whole numbers and choices are relaxed while the acquisition is optimised and rounded afterwards. Conditions are
unknown to the model: what does not apply stands in the middle. A failed trial counts as the worst result so far.
"""

from __future__ import annotations

import math
import warnings

import torch
from benchmarks.rivals.lines import active, serve
from botorch import fit_gpytorch_mll
from botorch.acquisition import LogExpectedImprovement
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf
from gpytorch.mlls import ExactMarginalLogLikelihood
from torch.quasirandom import SobolEngine

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

START = 10


def is_one_hot(spec):
    return spec["type"] == "categorical" and not spec["ordered"]


def width(spec):
    """Number of columns."""
    return len(spec["choices"]) if is_one_hot(spec) else 1


def value(spec, columns):
    """From columns in [0, 1] to a value of the space."""
    if is_one_hot(spec):
        return spec["choices"][int(torch.tensor(columns).argmax())]
    (unit,) = columns
    if spec["type"] == "categorical":
        return spec["choices"][min(int(unit * len(spec["choices"])), len(spec["choices"]) - 1)]
    if spec["type"] == "int" and spec["step"]:
        count = (spec["high"] - spec["low"]) // spec["step"] + 1
        return spec["low"] + min(int(unit * count), count - 1) * spec["step"]
    low, high = ends(spec)
    raw = math.exp(low + unit * (high - low)) if spec["log"] else low + unit * (high - low)
    return min(max(round(raw) if spec["type"] == "int" else raw, spec["low"]), spec["high"])


def columns(spec, config):
    """The place of a value; the middle for what does not apply."""
    if spec["name"] not in config:
        return [0.5] * width(spec)
    given = config[spec["name"]]
    if is_one_hot(spec):
        return [float(choice == given) for choice in spec["choices"]]
    if spec["type"] == "categorical":
        return [(spec["choices"].index(given) + 0.5) / len(spec["choices"])]
    if spec["type"] == "int" and spec["step"]:
        return [((given - spec["low"]) // spec["step"] + 0.5) / ((spec["high"] - spec["low"]) // spec["step"] + 1)]
    low, high = ends(spec)
    return [((math.log(given) if spec["log"] else given) - low) / (high - low)]


def ends(spec):
    """The range, widened by half a step for whole numbers, in the logarithm where there is one."""
    half = 0.5 if spec["type"] == "int" else 0.0
    low, high = spec["low"] - half, spec["high"] + half
    return (math.log(low), math.log(high)) if spec["log"] else (low, high)


class Plain:
    """The loop."""

    def __init__(self, space, strategy, seed, trials):
        torch.manual_seed(seed)
        self._space, self._widths = space, [width(spec) for spec in space]
        self._start = SobolEngine(sum(self._widths), scramble=True, seed=seed).draw(START).to(torch.float64)
        self._x, self._y, self._config = [], [], {}

    def ask(self):
        flat = self._start[len(self._y)] if len(self._y) < START else self._best()
        parts = [part.tolist() for part in flat.split(self._widths)]
        full = {spec["name"]: value(spec, part) for spec, part in zip(self._space, parts, strict=True)}
        self._config = active(self._space, full)
        return self._config

    def tell(self, loss):
        finite = [known for known in self._y if known is not None]
        self._x.append([place for spec in self._space for place in columns(spec, self._config)])
        self._y.append(loss if loss is not None else max(finite, default=0.0))

    def _best(self):
        x, y = torch.tensor(self._x).clamp(0.0, 1.0), -torch.tensor(self._y).unsqueeze(-1)
        if float(y.std()) > 0.0:
            y = (y - y.mean()) / y.std()
        model = SingleTaskGP(x, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        bounds = torch.stack([torch.zeros(x.shape[1]), torch.ones(x.shape[1])])
        found, _ = optimize_acqf(
            LogExpectedImprovement(model, best_f=y.max()), bounds, q=1, num_restarts=10, raw_samples=512
        )
        return found[0]


if __name__ == "__main__":
    serve(Plain)
