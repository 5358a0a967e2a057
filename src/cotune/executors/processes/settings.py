"""Training in processes of their own: what a user may say about it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from cotune.errors import StudyError
from cotune.executors.checkpoints import FolderCheckpoints
from cotune.executors.equipment import Equipment, Equippable
from cotune.executors.executor import Executor
from cotune.executors.fused import Fused
from cotune.executors.inline import Inline
from cotune.executors.processes.memory import checked_limit
from cotune.executors.processes.messages import Outfit
from cotune.executors.processes.places import n_places, places, share_of_threads
from cotune.executors.processes.pool import Pool
from cotune.records import whole_number

_EACH = {"auto": Inline, "inline": Inline, "fused": Fused}
"""Where nobody has measured, trials train one at a time."""


@dataclass(frozen=True)
class Processes:
    """Train in several processes of this machine, so that trials use all its cores and GPUs.

    A trial that crashes, hangs or takes all memory harms no other: its worker is replaced. Workers are started once for
    a search; the data lies in memory that they share. What the user's code prints goes into `logs/` in the study's
    folder, one file per trial.

    workers: how many; "auto": one per GPU, or else one per core. each: what trains in each of them: "inline", one trial
    at a time, "fused", `ct.Fused(lanes=...)` or `ct.Inline(...)`; "auto": fused where that was measured to pay.
    trial_timeout: seconds that a trial may train in one go, from its start or where it goes on to the next milestone;
    then it has failed. memory_limit: of a worker and its children, "4GB" or bytes, without the data that all share; a
    trial that takes more has failed. threads: that a worker computes with; None: as many as the search uses, at most
    its share of the cores, and as before in a study that goes on.

    ordered: take decisions in an order that does not depend on the number of workers and their speed: results count
    in the order of their epochs, then of their trials' numbers, as if `at_once` trials trained side by side. A result
    waits until all before it are in, so `at_once` should be a few times the number of workers.
    """

    workers: int | Literal["auto"] = "auto"
    each: str | Equippable = "auto"
    trial_timeout: float | None = None
    memory_limit: str | int | None = None
    threads: int | None = None
    ordered: bool = False
    at_once: int = 8

    def __post_init__(self) -> None:
        if self.workers != "auto":
            whole_number("Processes(workers=", self.workers)
        _check_each(self.each)
        timeout = self.trial_timeout
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0
        ):
            raise StudyError(f"Processes(trial_timeout={timeout!r}) takes a number above 0, in seconds")
        if self.memory_limit is not None:
            checked_limit(self.memory_limit)
        if self.threads is not None:
            whole_number("Processes(threads=", self.threads)
        if not isinstance(self.ordered, bool):
            raise StudyError(f"Processes(ordered={self.ordered!r}) takes True or False")
        whole_number("Processes(at_once=", self.at_once)

    @property
    def is_open(self) -> bool:
        """Whether it is left to a measurement what trains in each worker."""
        return self.each == "auto"

    @property
    def n_workers(self) -> int:
        """How many there will be on this machine."""
        return n_places(None if self.workers == "auto" else self.workers)

    @property
    def most_together(self) -> tuple[int | None, int]:
        """So many trials at a time, None: any number, in so many processes, as far as the result may follow from it."""
        return (self.at_once, 1) if self.ordered else (None, self.n_workers)

    @property
    def alone(self) -> Processes:
        """The same with a single worker."""
        return replace(self, workers=1)

    def around(self, engine: Equippable) -> Processes:
        """The same with this in each worker."""
        return replace(self, each=engine)

    def equip(self, equipment: Equipment) -> Executor:
        """The executor, with its first worker ready to train what the equipment says.

        Raises StudyError for what cannot be sent to another process, and where a worker cannot begin.
        """
        inner = _EACH[self.each]() if isinstance(self.each, str) else self.each
        if isinstance(inner, Fused):
            inner = replace(inner, kinds=None)  # they compare by identity, so each worker has its own
        checkpoints, judge = equipment.checkpoints, None if self.ordered else equipment.judge
        is_reachable = isinstance(checkpoints, FolderCheckpoints)
        outfit = Outfit(
            equipment.objective, inner, checkpoints if is_reachable else None, equipment.folder, equipment.space,
            has_judge=judge is not None,
        )  # fmt: skip
        n = self.n_workers
        # bits may depend on it, so it stays what it was when there were more or fewer workers
        threads = self.threads or equipment.settled("threads of a worker", 1 if self.ordered else share_of_threads(n))
        return Pool(
            outfit, replace(equipment, judge=judge), places(n, threads),
            lanes=inner.trials(equipment.objective) if isinstance(inner, Fused) else getattr(inner, "lanes", 1),
            at_once=self._settled_at_once(equipment) if self.ordered else None,
            trial_timeout=self.trial_timeout,
            memory_limit=None if self.memory_limit is None else checked_limit(self.memory_limit),
        )  # fmt: skip

    def _settled_at_once(self, equipment: Equipment) -> int:
        """What the study was begun with, because the result follows from it."""
        settled: int = equipment.settled("at once", self.at_once)
        if settled != self.at_once:
            equipment.notice(f"goes on with at_once={settled}, with which it was begun, not {self.at_once}")
        return settled


def _check_each(each: object) -> None:
    if isinstance(each, Processes):
        raise StudyError("Processes(each=ct.Processes(...)) nests workers in workers; use 'auto'")
    if isinstance(each, type):
        raise StudyError(f"Processes(each={each.__name__}) is a class; pass an object: each={each.__name__}()")
    if each not in _EACH if isinstance(each, str) else not callable(getattr(each, "equip", None)):
        near = difflib.get_close_matches(str(each), _EACH, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise StudyError(
            f"Processes(each={each!r}) takes 'auto', 'inline', 'fused', ct.Inline(...) or ct.Fused(...).{hint}"
        )
