"""What the trials of a space will be like, by examples that are always the same ones."""

from __future__ import annotations

from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Int, Space
from cotune.training import Task
from cotune.training.fused import TRAININGS, Census

_DRAWN = 64


def survey(task: Task, space: Space, device: str, *, fills_up: bool = True) -> Census:
    """A census of configurations drawn at random. fills_up: whether networks of different width may be alike."""
    random = generator(0, Purpose.CHOOSE, 2)
    drawn = [dict(space.sample(random)) for _ in range(_DRAWN)]
    return Census.of(task, drawn, device, largest=largest(space) if fills_up else {})


def largest(space: Space) -> dict[str, int]:
    """The upper ends of all that can be the width of a network: whole numbers that are not for training itself."""
    found = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Int):
            found[name] = parameter.high
        elif isinstance(parameter, Categorical) and all(type(choice) is int for choice in parameter.choices):
            found[name] = max(parameter.choices)
    return {name: high for name, high in found.items() if name not in TRAININGS}
