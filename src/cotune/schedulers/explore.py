"""How population based training changes a configuration that it copies."""

from __future__ import annotations

from typing import Any

from numpy.random import Generator

from cotune.config import Config
from cotune.space import Categorical, Float, Int, Parameter, Space

_FACTOR = 1.25
_SHIFT = 0.1
_RESAMPLED = 0.25
_TRIES = 16


def explored(space: Space, config: Config, random: Generator) -> Config:
    """Another configuration near by: only what is marked as a schedule differs (Jaderberg et al. 2017, section 4.1.1).

    A number moves up or down, by a factor of 1.25 where its scale is logarithmic, else by a tenth of its range, and by
    one value at least; at an end of its range it moves away from it. A choice moves to a neighbour where choices are
    ordered, else to any. One of four is drawn anew instead. The same configuration where the rules of the space forbid
    every other that is tried.
    """
    marked = [name for name in space.scheduled if name in config]
    for _ in range(_TRIES):
        changed = {name: _changed(space.parameters[name], config[name], random) for name in marked}
        values = {**config, **changed}
        if space.allows(values):
            return space.check(values)
    return config


def _changed(parameter: Parameter, value: Any, random: Generator) -> Any:
    """Takes three numbers, whatever becomes of them."""
    anew, sign, where = random.random() < _RESAMPLED, 1 if random.random() < 0.5 else -1, random.random()
    if anew or (isinstance(parameter, Categorical) and not parameter.ordered):
        return parameter.scale().draw(where, 0.5)
    moved = _moved(parameter, value, sign)
    return _moved(parameter, value, -sign) if moved == value else moved


def _moved(parameter: Parameter, value: Any, sign: int) -> Any:
    """Up (sign 1) or down (-1)."""
    match parameter:
        case Float(log=True):
            return min(max(value * _FACTOR**sign, parameter.low), parameter.high)
        case Int(log=True):
            moved = round(value * _FACTOR**sign)
            return min(max(value + sign if moved == value else moved, parameter.low), parameter.high)
    scale = parameter.scale()
    cell = 1 / scale.count if scale.count else 0.0
    shift = cell if isinstance(parameter, Categorical) else max(_SHIFT, cell)
    return scale.decode(min(max(scale.encode(value)[0] + sign * shift, 0.0), 1.0), 0.0)
