"""Runs in HEBO's own environment and serves searches (lines.py).

Conditions are unknown to it: it sees every parameter, and what does not apply is left out of the config. Ordered
choices are whole numbers to it. A failed trial counts as the worst result so far.
"""

from __future__ import annotations

import random
import warnings

import numpy as np
import torch
from benchmarks.rivals.lines import active, serve
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def parameter(spec):
    """The library's own kind for each of ours."""
    name = spec["name"]
    if spec["type"] == "categorical" and spec["ordered"]:
        return {"name": name, "type": "int", "lb": 0, "ub": len(spec["choices"]) - 1}
    if spec["type"] == "categorical":
        return {"name": name, "type": "cat", "categories": [str(place) for place in range(len(spec["choices"]))]}
    if spec["type"] == "int" and spec["step"]:
        return {"name": name, "type": "int", "lb": 0, "ub": (spec["high"] - spec["low"]) // spec["step"]}
    kind = {"float": {False: "num", True: "pow"}, "int": {False: "int", True: "pow_int"}}[spec["type"]][spec["log"]]
    return {"name": name, "type": kind, "lb": spec["low"], "ub": spec["high"]}


def value(spec, raw):
    """Back to a value of the space."""
    if spec["type"] == "categorical":
        return spec["choices"][int(raw)]
    if spec["type"] == "int":
        return spec["low"] + int(raw) * spec["step"] if spec["step"] else min(max(int(raw), spec["low"]), spec["high"])
    return min(max(float(raw), spec["low"]), spec["high"])


class Hebo:
    """One suggestion at a time."""

    def __init__(self, space, strategy, seed, trials):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the library draws from the global generator
        torch.manual_seed(seed)
        self._space, self._asked, self._worst = space, None, None
        self._optimizer = HEBO(DesignSpace().parse([parameter(spec) for spec in space]), scramble_seed=seed)

    def ask(self):
        self._asked = self._optimizer.suggest(n_suggestions=1)
        raw = self._asked.iloc[0].to_dict()
        return active(self._space, {spec["name"]: value(spec, raw[spec["name"]]) for spec in self._space})

    def tell(self, loss):
        if loss is None:
            loss = 1.0 if self._worst is None else self._worst
        self._worst = loss if self._worst is None else max(self._worst, loss)
        self._optimizer.observe(self._asked, np.array([[loss]]))


if __name__ == "__main__":
    serve(Hebo)
