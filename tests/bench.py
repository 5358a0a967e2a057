"""An executor on its own, with what a search would give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cotune.config import Config
from cotune.executors.checkpoints import MemoryCheckpoints
from cotune.executors.equipment import Equipment, Equippable
from cotune.executors.executor import ENDS
from cotune.executors.interruption import Interruption
from cotune.records import Event, Job, Reclaimed
from cotune.space import Space


def job(number: int = 0, *, step: int = 0, until: int | None = 4, steps: int | None = 4, **options: object) -> Job:
    fields = {
        "number": number, "epoch": 1, "config": Config({"x": 0.5}), "task": 0, "seed": 100 + number, "shared_seed": 7,
        "step": step, "until": until, "steps": steps, "checkpoint": None, "reported": {}, "objectives": ("value",),
    }  # fmt: skip
    return Job(**{**fields, **options})


class Bench:
    """An executor with what it needs, and the events that it emitted."""

    def __init__(self, executor: Equippable, objective: Callable, folder: Path) -> None:
        self.events: list[Event] = []
        self.folder = folder
        self.checkpoints, self.interruption = MemoryCheckpoints(), Interruption()
        self.notices: list[str] = []
        self.memory: dict[str, object] = {}
        equipment = Equipment(
            objective,
            self.checkpoints,
            self.interruption,
            folder,
            self.notices.append,
            Space(x=(0.0, 1.0)),
            self.memory.get,
            self.memory.__setitem__,
        )
        self.executor = executor.equip(equipment)

    def emit(self, events: Sequence[Event]) -> None:
        self.events += events

    def run(self, *jobs: Job) -> list[Event]:
        before = len(self.events)
        for one in jobs:
            self.executor.submit([one])
            while not any(e.number == one.number and isinstance(e, (*ENDS, Reclaimed)) for e in self.events[before:]):
                self.executor.wait(0.1, self.emit)
        return self.events[before:]
