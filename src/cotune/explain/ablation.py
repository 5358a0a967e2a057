"""From the defaults to the best configuration, one hyperparameter at a time, the most useful change first.

Source: Fawcett & Hoos 2016, "Analysing differences between algorithm configurations through ablation"; here on a
surrogate (Biedenkapp et al. 2017), so that nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Step
from cotune.explain.results import Results
from cotune.explain.surrogate import Surrogate

Floats = NDArray[np.float64]


def predicted(model: Surrogate, results: Results, config: Mapping[str, Any]) -> float:
    """The objective that is predicted for a configuration."""
    return results.sign * float(model.losses(model.space.encode(config)[0][None])[0])


def ablation(model: Surrogate, results: Results, start: Mapping[str, Any], best: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps from `start` to `best`. A parameter that a step switches on begins at its preferred value."""
    space, steps = model.space, list[Step]()
    values = {name: parameter.preferred() for name, parameter in space.parameters.items()} | dict(start)
    active = set(start)
    while changes := [name for name in space.names if name in active and name in best and values[name] != best[name]]:
        tried = [{**values, name: best[name]} for name in changes]
        units = np.stack([space.encode(config)[0] for config in tried])
        losses = model.losses(units)
        i = int(np.argmin(losses))
        name = changes[i]
        steps.append(Step(name, values[name], best[name], results.sign * float(losses[i])))
        values, active = tried[i], set(space.decode(units[i]))
    return tuple(steps)


def improving(steps: Sequence[Step], start: float, *, maximise: bool) -> tuple[Step, ...]:
    """The steps as far as the best prediction on the way; none if it is not better than that of the start."""
    sign = -1.0 if maximise else 1.0
    losses = [sign * start, *(sign * step.value for step in steps)]
    return tuple(steps[: min(range(len(losses)), key=losses.__getitem__)])
