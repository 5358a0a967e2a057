"""Recorded trainings of real models: full grids, and pools of random configs. Sources: benchmarks/data/README.md.

A grid answers with the nearest level of every parameter, a pool with the nearest config that was trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Problem, Values
from cotune.space import Space

DATA = Path(__file__).parents[1] / "data"
Arrays = Mapping[str, NDArray[Any]]


def space_of(name: str) -> Space:
    """A space of spaces.json."""
    return Space.from_json(json.loads((DATA / "spaces.json").read_text(encoding="utf-8"))[name])


@cache
def arrays(suite: str, name: str) -> Arrays:
    """The arrays of a file."""
    with np.load(DATA / suite / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def units(space: Space, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Positions of recorded numbers between the ends of a parameter; those of its log where it has one."""
    parameter = space.parameters[name]
    ends = np.array([parameter.low, parameter.high], dtype=np.float64)
    if parameter.log:
        values, ends = np.log(values), np.log(ends)
    return np.asarray((values - ends[0]) / (ends[1] - ends[0]), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Every combination of the levels was trained several times.

    losses: (configs, repetitions), configs in C order of the space. levels: the numbers' levels as positions.
    """

    space: Space
    losses: NDArray[np.float64]
    means: NDArray[np.float64]
    levels: Mapping[str, NDArray[np.float64]]

    def row(self, config: Values) -> int:
        """The nearest combination."""
        row = 0
        for name, parameter in self.space.parameters.items():
            if name in self.levels:
                at = units(self.space, name, np.float64(config[name]))
                place, count = int(np.abs(self.levels[name] - at).argmin()), len(self.levels[name])
            else:
                place, count = parameter.choices.index(config[name]), len(parameter.choices)
            row = row * count + place
        return row

    def repetitions(self, config: Values) -> NDArray[np.float64]:
        """All recorded losses of a config."""
        return self.losses[self.row(config)]

    def problem(self, name: str, regime: str = "table") -> Problem:
        """The mean over repetitions; all seeds are the same instance."""
        lowest = float(self.means.min())
        return Problem(
            name, regime, self.space, lambda config, seed: float(self.means[self.row(config)]), lambda seed: lowest
        )


def grid(suite: str, name: str) -> Grid:
    """A grid of benchmarks/data."""
    space, recorded = space_of(suite), arrays(suite, name)
    levels = {
        word: units(space, word, recorded[f"level_{word}"]) for word in space.names if f"level_{word}" in recorded
    }
    losses = recorded["loss"].astype(np.float64)
    return Grid(space, losses, losses.mean(axis=1), levels)


def pool_rows(space: Space, x: NDArray[Any]) -> Callable[[Values], int]:
    """From a config to the nearest row of x (configs, parameters); a differing choice counts as a number's range."""
    choices = {word: getattr(parameter, "choices", None) for word, parameter in space.parameters.items()}
    is_choice = np.array([listed is not None for listed in choices.values()])
    columns = [
        column if is_choice[j] else units(space, word, column)
        for j, (word, column) in enumerate(zip(space.names, x.T.astype(np.float64), strict=True))
    ]
    points = np.stack(columns, axis=1)

    def row(config: Values) -> int:
        at = [
            float(units(space, word, np.float64(config[word]))) if listed is None else listed.index(config[word])
            for word, listed in choices.items()
        ]
        away = points - np.array(at)
        away[:, is_choice] = away[:, is_choice] != 0.0
        return int(np.einsum("ij,ij->i", away, away).argmin())

    return row


def pool(suite: str, name: str) -> Problem:
    """The nearest of the recorded configs answers, with the last loss of its curve where there is one."""
    space, recorded = space_of(suite), arrays(suite, name)
    losses = (recorded["curves"][:, -1] if "curves" in recorded else recorded["loss"]).astype(np.float64)
    row = pool_rows(space, recorded["x"])
    lowest = float(np.nanmin(losses))
    return Problem(
        f"{suite}/{name}", "table", space, lambda config, seed: float(losses[row(config)]), lambda seed: lowest
    )


def tables() -> list[Problem]:
    """Grids and pools."""
    grids = {"hpobench_nn": ["blood_transfusion", "kc1", "phoneme"], "fcnet": ["parkinsons", "slice"]}
    pools = {
        "xgb_pool": ["heart", "german", "madelon", "spambase"],
        "adaboost": ["41", "9971", "3946", "45"],
        "taskset": ["lstm128", "vrnn64"],
    }
    return [
        *(grid(suite, name).problem(f"{suite}/{name}") for suite, names in grids.items() for name in names),
        *(pool(suite, name) for suite, names in pools.items() for name in names),
    ]
