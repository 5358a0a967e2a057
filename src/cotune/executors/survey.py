"""What the trials of a space will be like, by examples that are always the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Int, Space
from cotune.training import Task
from cotune.training.fused import TRAININGS, Census

_DRAWN = 64


def survey(task: Task, space: Space, device: str, *, fills_up: bool = True) -> Census:
    """A census of configurations drawn at random. fills_up: whether networks of different width may be alike."""
    random = generator(0, Purpose.CHOOSE, 2)
    drawn = [dict(space.sample(random)) for _ in range(_DRAWN)]
    ends = widths(space)

    def wider(config: Mapping[str, Any]) -> list[dict[str, Any]]:
        every = ({**config, name: high} for name, high in ends.items() if name in config)
        return [values for values in every if space.allows(values)]

    return Census.of(task, drawn, device, wider if fills_up and ends else None)


def widths(space: Space) -> dict[str, int]:
    """The upper ends of all that may be the width of a network: whole numbers that are not for training itself."""
    found = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Int):
            found[name] = parameter.high
        elif isinstance(parameter, Categorical) and all(type(choice) is int for choice in parameter.choices):
            found[name] = max(parameter.choices)
    return {name: high for name, high in found.items() if name not in TRAININGS}
