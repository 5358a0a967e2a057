from __future__ import annotations

import math
from dataclasses import fields

import pytest

from builders import created, plane
from cotune.records import events as e

EXAMPLES = [
    created(plane(), accuracy=True),
    e.Setting("machine", {"threads": 2}),
    e.Enqueued(0, {"x": 0.5}),
    e.Started(1, {"名": None}, "w", 3, {"why": "测试"}, 7, parent=(0, 2), state=("file", "sha")),
    e.Resumed(1, "w", 2, None, 9),
    e.Reclaimed(1, 2),
    e.Stopped(1, {"rung": 3}, 10),
    e.Reported(1, 1, [1, 2], {"loss": [0.1, math.inf], "auc": [0.5, 0.25]}),
    e.Checkpointed(1, 1, 2, "file", "sha"),
    e.Reached(1, 1, 2, 0.5),
    e.Passed(1, 1, 2, 6, {"rung": 2}, 11),
    e.Released(1, 1, 0.5),
    e.Finished(1, 1, 2, {"loss": 0.1, "worst": -math.inf}, 0.5),
    e.Failed(1, 1, "error", "ValueError: no", "Traceback", 0.5),
]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.kind)
def test_an_event_comes_back_from_json_as_it_was(event: e.Event) -> None:
    assert e.from_json([e.to_json(event)]) == [event]


def test_every_kind_has_an_example() -> None:
    assert {type(event) for event in EXAMPLES} == set(e.KINDS)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.kind)
def test_the_json_is_strict(event: e.Event) -> None:
    text = e.to_json(event)
    assert "NaN" not in text and "Infinity" not in text and "\n" not in text


def test_integers_to_the_end_of_64_bits_survive() -> None:
    config = {"a": 2**63 - 1, "b": -(2**63)}
    assert e.from_json([e.to_json(e.Enqueued(0, config))])[0].config == config


def test_a_file_of_the_first_format_is_read_for_ever() -> None:
    line = '{"kind":"finished","number":3,"epoch":1,"step":30,"metrics":{"accuracy":0.97},"seconds":1.5}'
    assert e.from_json([line]) == [e.Finished(3, 1, 30, {"accuracy": 0.97}, 1.5)]


def test_decisions_and_facts_are_told_apart() -> None:
    decisions = {kind.kind for kind in e.KINDS if kind.is_decision}
    assert decisions == {"created", "setting", "enqueued", "started", "resumed", "reclaimed", "stopped", "passed"}


def test_every_fact_carries_its_lease() -> None:
    for kind in e.KINDS:
        if not kind.is_decision:
            assert {"number", "epoch"} <= {field.name for field in fields(kind)}
