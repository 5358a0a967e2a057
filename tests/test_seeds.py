"""Streams are part of the file format: a study that an older cotune began draws the same numbers for ever."""

from __future__ import annotations

import pytest

from cotune.seeds import Purpose, generator, integer

PURPOSES = {"CHOOSE": 0, "TRIAL": 1, "INIT": 2, "ORDER": 3, "NOISE": 4, "SPLIT": 5}
DRAWN = [
    4349820039463887796, 1122840046999092046, 2617706130858041702,
    2477165517001175342, 2124689154808347132, 2789371865591297132,
]  # fmt: skip
SEEDS = [
    6248955217710131343, 4901673970096119456, 8340754979647278024,
    8948521169490412876, 6580839859764499286, 170293346183968085,
]  # fmt: skip


def test_purposes_keep_their_numbers() -> None:
    known = {purpose.name: int(purpose) for purpose in Purpose}
    assert {name: known.get(name) for name in PURPOSES} == PURPOSES
    assert len(set(known.values())) == len(known)


@pytest.mark.parametrize("purpose", range(6))
def test_a_key_names_the_same_stream_for_ever(purpose: int) -> None:
    assert generator(7, Purpose(purpose), 3).integers(2**62) == DRAWN[purpose]
    assert integer(7, Purpose(purpose), 3) == SEEDS[purpose]
