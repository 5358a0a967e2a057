"""Runs in SMAC3's own environment and serves searches (lines.py): the facade for hyperparameters as it comes.

It is told the budget, of which a quarter at most is its initial design.
"""

from __future__ import annotations

import tempfile
import warnings

import ConfigSpace as cs
from benchmarks.rivals.lines import active, serve
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue
from smac.runhistory.enumerations import StatusType

warnings.simplefilter("ignore")


def hyperparameter(spec):
    """The library's own kind for each of ours; choices by their place."""
    name = spec["name"]
    if spec["type"] == "categorical":
        places = [str(place) for place in range(len(spec["choices"]))]
        if len(places) == 1:
            return cs.Constant(name, places[0])
        return (cs.OrdinalHyperparameter if spec["ordered"] else cs.CategoricalHyperparameter)(name, places)
    if spec["type"] == "float":
        return cs.UniformFloatHyperparameter(name, spec["low"], spec["high"], log=spec["log"])
    if spec["step"]:
        return cs.UniformIntegerHyperparameter(name, 0, (spec["high"] - spec["low"]) // spec["step"])
    return cs.UniformIntegerHyperparameter(name, spec["low"], spec["high"], log=spec["log"])


def condition(child, parent, spec, rule):
    """One of ours as one of theirs; bounds are on whole numbers only."""
    ((kind, bound),) = rule.items()
    if kind == "one_of":
        choices = spec.get("choices")
        return cs.InCondition(child, parent, [str(choices.index(value)) if choices else value for value in bound])
    low, high = (bound, spec["high"]) if kind == "at_least" else (spec["low"], bound)
    return cs.InCondition(child, parent, list(range(low, high + 1)))


def config_space(space, seed):
    """All of it."""
    built, specs = cs.ConfigurationSpace(seed=seed), {spec["name"]: spec for spec in space}
    built.add([hyperparameter(spec) for spec in space])
    for spec in space:
        rules = [
            condition(built[spec["name"]], built[parent], specs[parent], rule)
            for parent, rule in spec.get("when", {}).items()
        ]
        if rules:
            built.add(rules[0] if len(rules) == 1 else cs.AndConjunction(*rules))
    return built


def value(spec, raw):
    """Back to a value of the space."""
    if spec["type"] == "categorical":
        return spec["choices"][int(raw)]
    if spec["type"] == "int":
        return spec["low"] + int(raw) * spec["step"] if spec["step"] else int(raw)
    return min(max(float(raw), spec["low"]), spec["high"])


class Smac:
    """Ask and tell; a failed trial is told as a crash."""

    def __init__(self, space, strategy, seed, trials):
        self._space, self._info = space, None
        scenario = Scenario(
            config_space(space, seed), deterministic=True, n_trials=trials, seed=seed,
            output_directory=tempfile.mkdtemp(prefix="smac-"),
        )  # fmt: skip
        self._facade = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0, overwrite=True, logging_level=False
        )

    def ask(self):
        self._info = self._facade.ask()
        raw = dict(self._info.config)
        known = {spec["name"]: value(spec, raw[spec["name"]]) for spec in self._space if spec["name"] in raw}
        return active(self._space, known)

    def tell(self, loss):
        if loss is None:
            self._facade.tell(self._info, TrialValue(cost=float("inf"), status=StatusType.CRASHED))
        else:
            self._facade.tell(self._info, TrialValue(cost=loss))


if __name__ == "__main__":
    serve(Smac)
