"""Training many trials of a task side by side, as lanes of one vectorised pass.

Work goes in rounds: in one round every trial that is due trains one epoch. Trials of one kind share a population; what
cannot be fused trains by itself in the same round. Rounds are counted over the whole study, so that results come in the
same order whether or not the search was interrupted: a trial that continues from an older checkpoint than its
neighbours is trained alone until it has caught up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import torch

from cotune.config import Config
from cotune.errors import Interrupted, LeaseLost, StudyError
from cotune.executors.equipment import Equipment, require_seconds
from cotune.executors.executor import Emit, Executor
from cotune.executors.interruption import Abandoned
from cotune.executors.lane import Lane
from cotune.executors.objective import OfTask
from cotune.executors.survey import survey, widths
from cotune.records import Checkpoint, Event, Job, whole_number
from cotune.training import Isolated, Run
from cotune.training.devices import check_device, present
from cotune.training.fused import Census, Kind, Kinds, Measured, Population, Unfusable, told

REPORT_S = 1.0
"""Reports are in the log at most about so many seconds after they were made."""
_FEWEST = 2
"""A population that ran out of memory is halved down to this."""
_FITS = "lanes that fit"
"""Under this name it is remembered how many did not run out of memory."""


class _Seat(NamedTuple):
    """One run of a trial, and of which kind it is."""

    lane: Lane
    run: Run
    kind: Kind


@dataclass(frozen=True)
class Fused:
    """Train trials of a task together in the calling thread, up to `lanes` models at a time.

    lanes: models at once; a trial has one, with cross-validation one for each fold unless these train one after
    another. device, checkpoint_s: as for `Inline`. is_demanded: whether a trial that cannot be fused is an error,
    rather than trained by itself. fills_up: whether networks of different width may train together. pays: which of the
    configurations that a census draws are of kinds that are fused; None: all. kinds: of the space, if they are known
    already. They follow from the space, so that who happens to be there decides nothing.
    """

    lanes: int = 32
    device: str = "auto"
    checkpoint_s: float = 30.0
    is_demanded: bool = True
    fills_up: bool = True
    pays: tuple[int, ...] | None = field(default=None, repr=False)
    kinds: Kinds | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_device(self.device)
        whole_number("Fused(lanes=", self.lanes)
        require_seconds("Fused(checkpoint_s=", self.checkpoint_s)

    def trials(self, objective: object) -> int:
        """How many trials of an objective train at once."""
        return max(1, self.lanes // (objective.task.n_together if isinstance(objective, OfTask) else 1))

    def equip(self, equipment: Equipment) -> Executor:
        """The executor, ready to train what the equipment says.

        Raises StudyError for a function of a trial, and where fusing is demanded and a branch of the space cannot be.
        """
        if not isinstance(equipment.objective, OfTask):
            raise StudyError(
                "executor='fused' trains the trials of a ct.Task; a function of a trial has a loop of its own. "
                "Use executor='inline'."
            )
        executor = _FusedExecutor(self, equipment, equipment.objective)
        if self.is_demanded:
            executor.require_fusable(equipment.space.examples())
        return executor


class _FusedExecutor:
    def __init__(self, settings: Fused, equipment: Equipment, objective: OfTask) -> None:
        self.slots = settings.trials(objective)
        self._settings, self._equipment, self._objective = settings, equipment, objective
        self._device = str(present(settings.device))
        self._isolated = Isolated()
        self._jobs: deque[Job] = deque()
        self._lanes: list[Lane] = []
        self._kinds = settings.kinds or Kinds(self._surveyed())
        self._worth = None if settings.pays is None else self._kinds.census.of_places(settings.pays)
        self._populations: dict[tuple[Run, ...], Population] = {}
        self._resting: dict[str, Lane] = {}
        most = max(settings.lanes, objective.task.n_together)
        self._most = min(most, equipment.recall(_FITS) or most)
        self._told: set[str] = set()
        self._reported_at = self._saved_at = time.monotonic()

    def _surveyed(self) -> Census:
        """What is known of the space; nothing has to be if trials cannot differ in width."""
        space, fills_up = self._equipment.space, self._settings.fills_up
        if self._settings.pays is None and not (fills_up and widths(space)):
            return Census()
        return survey(self._objective.task, space, self._device, fills_up=fills_up)

    def require_fusable(self, examples: Sequence[Config]) -> None:
        """Raise StudyError, before any trial, if one of the configurations cannot be fused."""
        for example in examples:
            with self._isolated:
                run = self._built(0, example)
                try:
                    self._kinds.of(run, self._built, self._isolated.seed)
                except Unfusable as refusal:
                    raise _not_fusable(run, refusal) from refusal
                except (torch.OutOfMemoryError, MemoryError):
                    return  # said when a trial meets it

    def _built(self, seed: int, config: Mapping[str, Any]) -> Run:
        return self._objective.run(Config(dict(config)), (seed, 0), self._isolated, self._device)

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def wait(self, timeout_s: float, emit: Emit) -> None:
        """Train one round; returns when it is in the log, as far as it has to be."""
        if not self._jobs and not self._lanes:
            time.sleep(timeout_s)
            return
        interruption = self._equipment.interruption
        try:
            with self._isolated, interruption.exposed():
                events = self._round()
        except (Abandoned, KeyboardInterrupt, Interrupted) as error:
            interruption.request_by(error)
            events = self._left(is_whole=False)
        except BaseException:
            self._log(self._left(is_whole=False), emit)
            raise
        self._lanes = self._training
        if interruption.is_requested:
            events += self._left(is_whole=True)
        self._log(events, emit)

    def close(self) -> None:
        self._jobs.clear()
        self._lanes.clear()
        self._resting.clear()
        self._populations.clear()

    @property
    def _training(self) -> list[Lane]:
        """The lanes that have not come to their ends."""
        return [lane for lane in self._lanes if not lane.has_ended]

    def _round(self) -> list[Event]:
        begun = time.monotonic()
        events = self._admitted()
        now = min((lane.round for lane in self._training), default=0)
        due = [lane for lane in self._training if lane.round == now]
        self._train(due)
        for lane in due:
            lane.spend((time.monotonic() - begun) / len(due))
        return [*events, *self._ended(due), *self._regular(time.monotonic() - begun)]

    def _ended(self, lanes: Sequence[Lane]) -> list[Event]:
        """What those of the lanes that are at their ends leave behind, by number."""
        ended = sorted((lane for lane in lanes if lane.has_ended), key=lambda lane: lane.number)
        pausing = [lane for lane in ended if lane.pauses]
        kept = self._kept(pausing)
        self._resting |= {checkpoint.file: lane for lane, checkpoint in kept.items()}
        for lane in ended:
            if not lane.pauses and not lane.has_failed:
                kept[lane] = self._equipment.checkpoints.save(lane.snapshot)  # alone: it may stay when others go
        return [event for lane in ended for event in lane.ended(kept.get(lane))]

    def _kept(self, lanes: Sequence[Lane]) -> dict[Lane, Checkpoint]:
        """Checkpoints of lanes that go on, in one file."""
        kept = self._equipment.checkpoints.save_together([lane.snapshot for lane in lanes])
        return dict(zip(lanes, kept, strict=True))

    def _admitted(self) -> list[Event]:
        """Take new jobs into lanes; what fails at once is an outcome. Who paused and does not go on now is let go."""
        events: list[Event] = []
        while self._jobs:
            lane = Lane(self._jobs.popleft(), self._objective, self._device)
            self._lanes.append(lane)
            lane.begin(self._equipment.checkpoints, self._isolated, self._resting)
            if not lane.has_ended and lane.kinds is None:
                self._classify(lane)
            events += self._ended([lane])
        self._resting.clear()
        return events

    def _classify(self, lane: Lane) -> None:
        """Find out whether the lane can be fused and whether that pays, and say so once if it cannot."""
        try:
            possible = self._kinds.census.forms(lane.run)
            if self._worth is not None and self._worth.isdisjoint(told(lane.run, form) for form in possible):
                return  # then it need not be proven either
            kinds = [self._kinds.of(run, self._built, self._isolated.seed) for run in lane.folds.runs]
            lane.kinds = kinds if self._worth is None or kinds[0].signature in self._worth else None
        except Unfusable as refusal:
            if self._settings.is_demanded:
                raise _not_fusable(lane.run, refusal) from refusal
            name = type(lane.run.model).__name__
            self._tell(f"cannot fuse {name}: {refusal}; running its trials separately")
        except (torch.OutOfMemoryError, MemoryError):
            self._tell("out of memory with two lanes; running these trials separately")

    def _train(self, due: Sequence[Lane]) -> None:
        """One epoch of each of these lanes. One whose epoch broke off has other runs then, and takes nothing in."""
        for lane in due:
            if lane.kinds is None:
                lane.train(self._isolated)
        together = [lane for lane in due if lane.kinds is not None]
        measured = dict[Run, Measured]()
        for bundle in self._bundles(together):
            left = [seat for seat in bundle if seat.run in seat.lane.folds.runs and not seat.lane.has_ended]
            measured |= zip((seat.run for seat in left), self._epoch(left), strict=False)
        for lane in together:
            if all(run in measured for run in lane.due):
                lane.take([measured[run] for run in lane.due])

    def _bundles(self, lanes: Sequence[Lane]) -> list[list[_Seat]]:
        """The runs that train together, by their trials' numbers."""
        seats = [
            _Seat(lane, run, kind)
            for lane in sorted(lanes, key=lambda lane: lane.number)
            for run, kind in zip(lane.folds.runs, lane.kinds or (), strict=True)
            if run in lane.due
        ]
        found = list[list[_Seat]]()
        for kind in dict.fromkeys(seat.kind for seat in seats):
            alike = [seat for seat in seats if seat.kind == kind]
            found += [alike[low : low + self._most] for low in range(0, len(alike), self._most)]
        return found

    def _epoch(self, seats: Sequence[_Seat]) -> Sequence[Measured]:
        """What each measured; nothing if the epoch broke off, which is tried again, in halves or one by one."""
        if not seats:
            return []
        lanes = list(dict.fromkeys(seat.lane for seat in seats))
        try:
            return self._population(seats).train_epoch([seat.lane.epoch for seat in seats])
        except (torch.OutOfMemoryError, MemoryError):
            self._shrink(lanes, len(seats))
        except Exception as error:  # noqa: BLE001 - the user's code; by itself it will say whose fault it is
            self._tell(f"a fused pass failed ({type(error).__name__}: {error}); running its trials separately")
            for lane in lanes:
                lane.kinds = None
        self._restart(lanes)
        return []

    def _population(self, seats: Sequence[_Seat]) -> Population:
        """The population of these runs; a new one if others were together in the last round."""
        key = tuple(seat.run for seat in seats)
        if key not in self._populations:
            others = {run for lane in self._training for run in lane.due} - set(key)
            for known in [known for known in self._populations if not others.issuperset(known)]:
                self._dissolve(self._populations.pop(known))
            self._populations[key] = seats[0].kind.population(key)
        return self._populations[key]

    def _dissolve(self, population: Population) -> None:
        """Folds that have come to their ends shall not hold the memory of all that trained beside them."""
        through = {run for lane in self._training for run in lane.folds.begun if run not in lane.due}
        if not through.isdisjoint(population.runs):
            population.release()

    def _shrink(self, lanes: Sequence[Lane], n: int) -> None:
        """After running out of memory: half as many at a time, and the last few one by one."""
        self._populations.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if n <= _FEWEST:
            for lane in lanes:
                lane.kinds = None
            self._tell(f"out of memory with {n} lanes; running these trials separately")
        else:
            self._most = max(_FEWEST, n // 2)
            with self._equipment.interruption.shielded():
                self._equipment.remember(_FITS, self._most)
            self._tell(f"out of memory with {n} lanes; going on with {self._most}")

    def _restart(self, lanes: Sequence[Lane]) -> None:
        """Have lanes whose epoch broke off go back to their last checkpoints."""
        self._populations.clear()
        for lane in lanes:
            lane.begin(self._equipment.checkpoints, self._isolated)

    def _regular(self, round_s: float) -> list[Event]:
        """Reports once a second, and checkpoints of all lanes now and then."""
        now, events = time.monotonic(), list[Event]()
        if now - self._saved_at >= self._settings.checkpoint_s:
            self._saved_at = self._reported_at = now
            for lane, kept in self._kept(self._training).items():
                events += lane.saved(kept)
        elif now + round_s - self._reported_at >= REPORT_S:
            self._reported_at = now
            for lane in self._training:
                events += lane.reported()
        return events

    def _left(self, *, is_whole: bool) -> list[Event]:
        """Give all lanes back. is_whole: their states are those after an epoch, and are kept; else the last saved."""
        events = list[Event]()
        kept = self._kept([lane for lane in self._lanes if is_whole and lane.is_further])
        for lane in self._lanes:
            events += lane.released(kept.get(lane))
        events += [Lane(job, self._objective, self._device).given_back() for job in self._jobs]
        self.close()
        return events

    def _log(self, events: list[Event], emit: Emit) -> None:
        """All in one, so that no part of a round is known without the rest; but for trials that were lost meanwhile."""
        if not events:
            return
        try:
            emit(events)
        except LeaseLost:
            for number, part in groupby(events, key=lambda event: event.number):
                try:
                    emit(list(part))
                except LeaseLost:
                    self._lanes = [lane for lane in self._lanes if lane.number != number]

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._equipment.notice(text)


def _not_fusable(run: Run, refusal: Unfusable) -> StudyError:
    return StudyError(
        f"executor='fused': cannot fuse {type(run.model).__name__}: {refusal}. Use executor='auto', which trains such "
        "trials by themselves."
    )
