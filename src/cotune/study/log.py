"""The log and the history folded from it, kept together: the only way in which a study reads or writes."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence

from cotune.errors import LeaseLost, StudyError
from cotune.records import ATTEMPTS, Created, Event, Failed, History, JsonValue, Reclaimed, Released, Setting, State
from cotune.space import Space
from cotune.storage import CHUNK, Storage

Choose = Callable[[History], list[Event]]
"""Decides from what is known: the events to append, none if there is nothing to do."""


class Log:
    """A storage and the history of all that was read from it. Safe to use from several threads."""

    def __init__(self, storage: Storage, space: Space | None = None) -> None:
        """space: the space with its rules; without it, the one that the log describes."""
        self.storage = storage
        self.history = History(space)
        self._lock = threading.RLock()

    @property
    def worker(self) -> str:
        """The name under which this process holds leases."""
        return self.storage.worker

    def refresh(self) -> History:
        """Fold what is new."""
        with self._lock:
            events = self.storage.read(self.history.position)
            self.history.extend(events)
            if len(events) == CHUNK:
                self._read_on()
            return self.history

    def _read_on(self) -> None:
        """Fold a long log to its end. Meanwhile cycles are not looked for: there are none among so many new objects."""
        was_on = gc.isenabled()
        gc.disable()
        try:
            while events := self.storage.read(self.history.position):
                self.history.extend(events)
        finally:
            if was_on:
                gc.enable()

    def create(self, created: Created) -> None:
        """Begin the log, unless it has begun."""
        with self._lock, self.storage.deciding():
            if not self.refresh().is_created:
                self.storage.append([created], 0)
                self.refresh()

    def record(self, facts: Sequence[Event]) -> None:
        """Append facts of trials that this process holds; they are durable when it returns.

        Raises LeaseLost, and writes nothing, if one of the leases does not count any more.
        """
        with self._lock:
            self._require_leases(facts)
            while not self.storage.append(facts, self.history.position):
                self.refresh()
                self._require_leases(facts)
            self.refresh()

    def decide(self, choose: Choose) -> list[Event]:
        """Reclaim what dead workers held, let `choose` decide, and append; again if the log moved meanwhile."""
        worker = self.worker  # from here on this process counts as alive
        with self._lock, self.storage.deciding():
            while True:
                history = self.refresh()
                events = self._reclaim(history, worker) or choose(history)
                if not events:
                    return []
                if self.storage.append(events, history.position):
                    self.refresh()
                    if not isinstance(events[0], Reclaimed | Released | Failed):
                        return events

    def settle(self, name: str, value: JsonValue) -> JsonValue:
        """The setting of that name: what was settled first, or `value` from now on."""
        if name not in self.refresh().settings:
            self.decide(lambda history: [] if name in history.settings else [Setting(name, value)])
        return self.history.settings[name]

    def renew(self, name: str, value: JsonValue) -> None:
        """Settle what the user may say anew: `value` from now on."""
        self.decide(lambda history: [] if history.settings.get(name) == value else [Setting(name, value)])

    def _reclaim(self, history: History, worker: str) -> list[Event]:
        """Leases of workers that died end; a trial that may have killed `ATTEMPTS` workers has failed."""
        if all(holder == worker for holder in history.running.values()):
            return []
        alive = self.storage.alive() | {worker}
        return [
            _reclaimed(history, number) for number, holder in sorted(history.running.items()) if holder not in alive
        ]

    def _require_leases(self, facts: Sequence[Event]) -> None:
        for fact in facts:
            number, epoch = fact.number, getattr(fact, "epoch", 0)
            assert number is not None
            self.require_lease(number, epoch)

    def require_lease(self, number: int, epoch: int) -> None:
        """Raise LeaseLost unless that lease of the trial counts."""
        if not self.history.holds(number, epoch):
            raise LeaseLost(_lost(self.history, number, epoch))


def require_same(history: History, created: Created) -> None:
    """Raise StudyError, showing the difference, unless the log is of the study that the caller describes."""
    differences = []
    if history.seed != created.seed:
        differences.append(f"seed: {history.seed} there, {created.seed} here")
    if history.objectives != created.objectives:
        differences.append(
            f"objectives: {_directions(history.objectives)} there, {_directions(created.objectives)} here"
        )
    recorded = history.described_space
    difference = recorded.difference(Space.from_json(created.space))
    if difference:
        differences.append(difference)
    if created.steps is not None and history.created_steps is not None and history.created_steps != created.steps:
        differences.append(f"epochs: {history.created_steps} there, {created.steps} here")
    if differences:
        lines = "\n  ".join(differences)
        raise StudyError(
            f"the study at this path is another one:\n  {lines}\nUse another path, or the settings it has."
        )


def _directions(objectives: dict[str, bool]) -> str:
    return ", ".join(f"{'maximize' if maximise else 'minimize'} {name}" for name, maximise in objectives.items())


def _reclaimed(history: History, number: int) -> Event:
    epoch = history.epoch(number)
    if history.is_isolated(number):
        return Released(number, epoch)
    if history.attempts(number) + 1 < ATTEMPTS:
        return Reclaimed(number, epoch)
    return Failed(number, epoch, "crash", f"{ATTEMPTS} workers died while they trained it")


def _lost(history: History, number: int, epoch: int) -> str:
    if number >= len(history):
        return f"there is no trial {number}; the study has {len(history)}"
    state = history.state(number)
    if state is State.RUNNING:
        return f"trial {number} was handed to {history.running[number]} meanwhile; nothing was changed"
    return f"trial {number} is {state}, so lease {epoch} does not count any more; nothing was changed"
