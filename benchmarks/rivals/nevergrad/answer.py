"""Runs in nevergrad's own environment and serves searches (lines.py).

Conditions are unknown to it: it sees every parameter, and what does not apply is left out of the config.
"""

from __future__ import annotations

import random
import warnings

import nevergrad as ng
import numpy as np
from benchmarks.rivals.lines import active, serve

warnings.simplefilter("ignore")


def parameter(spec):
    """The library's own kind for each of ours; the start is its default, the middle."""
    if spec["type"] == "categorical":
        return (ng.p.TransitionChoice if spec["ordered"] else ng.p.Choice)(list(range(len(spec["choices"]))))
    low, high = spec["low"], spec["high"]
    if spec["type"] == "int" and spec["step"]:
        return ng.p.Scalar(lower=0, upper=(high - low) // spec["step"]).set_integer_casting()
    number = ng.p.Log(lower=low, upper=high) if spec["log"] else ng.p.Scalar(lower=low, upper=high)
    return number.set_integer_casting() if spec["type"] == "int" else number


def value(spec, raw):
    """Back to a value of the space."""
    if spec["type"] == "categorical":
        return spec["choices"][raw]
    if spec["type"] == "int":
        return spec["low"] + int(raw) * spec["step"] if spec["step"] else min(max(int(raw), spec["low"]), spec["high"])
    return min(max(float(raw), spec["low"]), spec["high"])


class Nevergrad:
    """NGOpt, told the budget, as it wants to be."""

    def __init__(self, space, strategy, seed, trials):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - parts of the library draw from the global generator
        instrument = ng.p.Dict(**{spec["name"]: parameter(spec) for spec in space})
        instrument.random_state = np.random.RandomState(seed)  # noqa: NPY002 - what the library takes
        self._space, self._candidate, self._worst = space, None, 1.0
        self._optimizer = ng.optimizers.registry[{"ngopt": "NGOpt"}[strategy]](instrument, budget=trials)

    def ask(self):
        self._candidate = self._optimizer.ask()
        raw = self._candidate.value
        return active(self._space, {spec["name"]: value(spec, raw[spec["name"]]) for spec in self._space})

    def tell(self, loss):
        self._worst = self._worst if loss is None else max(self._worst, loss)
        self._optimizer.tell(self._candidate, self._worst if loss is None else loss)


if __name__ == "__main__":
    serve(Nevergrad)
