"""The one place where strategy, scheduler, executor and log meet.

Wait, log, fold, plan, log, submit. The loop holds the budget; it knows nothing of how to choose or to train.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cotune.config import Config
from cotune.errors import StudyStopped
from cotune.executors.executor import Executor
from cotune.executors.interruption import Interruption
from cotune.records import (
    Action,
    Draw,
    Event,
    Failed,
    Finished,
    History,
    Job,
    Passed,
    Reached,
    Resume,
    Resumed,
    Start,
    Started,
    State,
    Stop,
    Stopped,
    Suggestion,
)
from cotune.schedulers import Scheduler
from cotune.seeds import Purpose, generator, integer
from cotune.strategies import Strategy
from cotune.study.log import Log
from cotune.study.stopping import EXHAUSTED, Stopping, why_ended

ALIKE = 3
"""A search whose first trials all fail in the same way stops after this many."""
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may cost, in total over all workers and resumes; None: no bound.

    trials: configurations proposed or enqueued. total_epochs: steps trained. seconds: training time in the log when
    the search begins, plus the time since.
    """

    trials: int | None = None
    total_epochs: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """Who decides: a strategy, a scheduler, the budget that their actions must fit in, and what ends them before."""

    strategy: Strategy
    scheduler: Scheduler
    budget: Budget = field(default_factory=Budget)
    stopping: Stopping = field(default_factory=Stopping)

    def plan(self, history: History, slots: int, worker: str, *, pausable: bool = True) -> list[Event]:
        """The decisions for up to `slots` free slots of a worker, as events; a pure function of the history.

        pausable: whether the worker can leave a trial at a milestone and continue it later; else see `judged`.
        """
        draw = draw_of(history.seed)
        has_ended = why_ended(history, self.stopping) is not None
        suggest = _nothing if has_ended else _remembering(self.strategy, history, draw, self._room(history))
        actions = self.scheduler.plan(history, slots, suggest, draw)
        if has_ended:
            actions = [action for action in actions if _ends(action, history)]
        events = _affordable(actions, history, self.budget, worker)
        return events if pausable else [self._alive(event, history) for event in events]

    def judged(self, history: History, number: int, step: int, seconds: float) -> list[Event]:
        """What becomes of a running trial that came to its milestone and keeps no state: it goes on, or it is stopped.

        When the search has ended or the budget is spent it is paused: should there be more, it begins again. seconds:
        how long it has trained.
        """
        epoch, judge = history.epoch(number), self.judge
        assert judge is not None, "no scheduler without a judge lets such a trial come to a milestone"
        action = judge(history, number, step)
        reached = Reached(number, epoch, step, seconds)
        if isinstance(action, Stop):
            return [reached, Stopped(number, dict(action.decision), history.position)]
        total = self.budget.total_epochs
        is_spent = total is not None and history.steps_paid + _cost(action, history) > total
        if is_spent or why_ended(history, self.stopping) is not None:
            return [reached]
        return [Passed(number, epoch, step, action.until, dict(action.decision), history.position)]

    @property
    def judge(self) -> Callable[[History, int, int], Resume | Stop] | None:
        """How the scheduler decides about a trial that keeps no state; None if it does not."""
        return getattr(self.scheduler, "judge", None)

    def _alive(self, event: Event, history: History) -> Event:
        """The same for a worker that cannot pause: where nobody would judge its trials they train to their ends."""
        if not isinstance(event, Started | Resumed):
            return event
        return replace(event, pausable=False, until=event.until if self.judge else history.created_steps)

    def outline(self, steps: int | None) -> str:
        """How the scheduler will go about trials of so many steps, in words; empty if it has nothing to say."""
        says = getattr(self.scheduler, "outline", None)
        return str(says(steps)) if says is not None and steps is not None else ""

    def _room(self, history: History) -> int | None:
        """How many new trials the budget has room for; None: any number."""
        return None if self.budget.trials is None else max(0, self.budget.trials - history.n_proposed)

    def has_nothing_left(self, history: History) -> bool:
        """Whether it is the strategy that ends the search: the budget has room, and there is nothing to propose."""
        if self._room(history) == 0 or why_ended(history, self.stopping):
            return False
        return not self.strategy.suggest(history, 1, draw_of(history.seed))


def draw_of(seed: int) -> Draw:
    """The generators that trials of a study choose with."""
    return lambda number: generator(seed, Purpose.CHOOSE, number)


@dataclass(frozen=True, slots=True)
class Search:
    """One worker's part in a search. watch: called with the history whenever it may have changed."""

    log: Log
    planner: Planner
    executor: Executor
    interruption: Interruption
    watch: Callable[[History], None]

    def run(self) -> None:
        """Train until the budget is spent, the search has ended, nothing is left to propose, or a signal asks to stop.

        Raises StudyStopped when the first three trials of this run all failed alike and none ever succeeded.
        """
        begun_at, spent_s = time.monotonic(), self.log.refresh().seconds
        outcomes, running = _Outcomes(), list[Job]()
        emit = partial(self._emit, outcomes)
        while not self.interruption.is_requested:
            seconds = self.planner.budget.seconds
            is_out_of_time = seconds is not None and spent_s + time.monotonic() - begun_at >= seconds
            jobs = [] if is_out_of_time else self._lease(self.executor.slots - len(running))
            running += jobs
            if not running and (is_out_of_time or not self._others_run()):
                if not is_out_of_time and self.planner.has_nothing_left(self.log.history):
                    self.log.renew(EXHAUSTED, len(self.log.history))
                return
            self.executor.submit(jobs)
            self.executor.wait(_POLL_S, emit)
            history = self.log.refresh()
            self.watch(history)
            running = [job for job in running if history.holds(job.number, job.epoch)]
            if not running:
                outcomes.raise_if_alike(history)
        if running:  # the request came after the executor had looked for one: now it gives back what it holds
            self.executor.wait(0.0, emit)

    def _lease(self, slots: int) -> list[Job]:
        if slots <= 0:
            return []
        events = self.log.decide(lambda history: self.planner.plan(history, slots, self.log.worker))
        self.watch(self.log.history)
        return [job_of(self.log.history, event.number) for event in events if isinstance(event, Started | Resumed)]

    def _others_run(self) -> bool:
        worker = self.log.worker
        return any(holder != worker for holder in self.log.history.running.values())

    def _emit(self, outcomes: _Outcomes, events: Sequence[Event]) -> None:
        self.log.record(events)
        outcomes.note(events)
        self.watch(self.log.history)


class _Outcomes:
    """How the first trials of this run ended."""

    def __init__(self) -> None:
        self._failures: list[Failed] = []
        self._is_watching = True

    def note(self, events: Sequence[Event]) -> None:
        if any(isinstance(event, Finished | Reached) for event in events):
            self._is_watching = False
        self._failures += [event for event in events if isinstance(event, Failed)]

    def raise_if_alike(self, history: History) -> None:
        if not self._is_watching or len(self._failures) < ALIKE:
            return
        self._is_watching = False
        first = self._failures[0]
        if len({_kind(failure) for failure in self._failures}) == 1 and not history.count(State.DONE):
            detail = f"\n\n{first.traceback}" if first.traceback else ""
            raise StudyStopped(
                f"the first {ALIKE} trials all failed alike ({first.cause}): {first.reason.rstrip('.')}. "
                f"Mend it and run the same line again; it tries {ALIKE} more.{detail}"
            )


def _kind(failure: Failed) -> tuple[str, str]:
    return failure.cause, failure.reason.partition(":")[0]


def _remembering(
    strategy: Strategy, history: History, draw: Draw, most: int | None
) -> Callable[[int], list[Suggestion]]:
    """`suggest` for one plan: later calls go on where earlier ones ended, up to so many."""
    given = 0

    def suggest(n: int) -> list[Suggestion]:
        nonlocal given
        n = n if most is None else min(n, most - given)
        if n <= 0:
            return []
        fresh = strategy.suggest(history, given + n, draw)[given:]
        given += len(fresh)
        return fresh

    return suggest


def _nothing(_n: int) -> list[Suggestion]:
    """`suggest` when a search has ended."""
    return []


def _ends(action: Action, history: History) -> bool:
    """Whether the action only brings to its end what was training when the search ended: a lease that was cut short."""
    match action:
        case Start():
            return False
        case Resume(number=number):
            return number in history.waiting and history.epoch(number) > 0
        case Stop():
            return True


def _affordable(actions: Sequence[Action], history: History, budget: Budget, worker: str) -> list[Event]:
    """The actions as events, without those that do not fit in the budget."""
    events: list[Event] = []
    number, n_proposed, paid = len(history), history.n_proposed, history.steps_paid
    for action in actions:
        cost = _cost(action, history)
        if budget.total_epochs is not None and paid + cost > budget.total_epochs:
            continue
        if budget.trials is not None and _is_beyond(action, n_proposed, budget.trials, history):
            continue
        match action:
            case Start():
                events.append(_started(action, number, history, worker))
                number += 1
                n_proposed += action.parent is None
            case Resume():
                epoch = history.epoch(action.number) + 1
                why = dict(action.decision)
                events.append(Resumed(action.number, worker, epoch, action.until, history.position, decision=why))
            case Stop():
                events.append(Stopped(action.number, dict(action.decision), history.position))
        paid += cost
    return events


def _is_beyond(action: Action, n_proposed: int, trials: int, history: History) -> bool:
    """Whether the action would train one configuration too many; forks are paid in epochs."""
    match action:
        case Start():
            return action.parent is None and n_proposed >= trials
        case Resume():
            return history.parent(action.number) is None and history.place(action.number) >= trials
        case Stop():
            return False


def _cost(action: Action, history: History) -> int:
    """Steps that an action may train; one for a trial whose length is not known yet.

    A trial that keeps no state begins again, unless it is running and goes on at once.
    """
    match action:
        case Stop():
            return 0
        case Resume(number=number):
            begins_again = history.checkpoint(number) is None and history.state(number) is not State.RUNNING
            known = 0 if begins_again else history.step(number)
            return max(0, (action.until or history.steps or 1) - known)
        case Start():
            return max(0, (action.until or history.steps or 1) - _inherited(action, history))


def _inherited(action: Start, history: History) -> int:
    """Steps that a fork need not train."""
    state = None if action.parent is None else history.checkpoint(action.parent)
    return 0 if state is None else state.step


def _started(action: Start, number: int, history: History, worker: str) -> Started:
    suggestion = action.suggestion
    started = Started(
        number, dict(suggestion.config), worker, action.until, dict(suggestion.decision), history.position,
        task=suggestion.task,
    )  # fmt: skip
    if action.parent is None:
        return started
    state = history.checkpoint(action.parent)
    assert state is not None, f"trial {action.parent} left no state to go on from"
    return replace(started, parent=(action.parent, state.step), state=(state.file, state.sha256))


def judge(log: Log, planner: Planner, number: int, epoch: int, step: int, seconds: float = 0.0) -> int | None:
    """Decide about a trial that came to its milestone and cannot pause: until which step it goes on; None: not at all.

    epoch: its lease. Raises LeaseLost if that does not count any more.
    """

    def choose(history: History) -> list[Event]:
        log.require_lease(number, epoch)
        return planner.judged(history, number, step, seconds)

    event = log.decide(choose)[0]
    return (event.until or log.history.steps) if isinstance(event, Passed) else None


def job_of(history: History, number: int) -> Job:
    """All that is needed to train the current lease of a trial."""
    config: Config = history.config(number)
    parent, step = history.parent(number), history.step(number)
    is_new_fork = parent is not None and step == parent[1]
    trained_by = parent[0] if parent is not None and is_new_fork else number
    return Job(
        number=number, epoch=history.epoch(number), config=config, task=history.task(number),
        seed=integer(history.seed, Purpose.TRIAL, number), shared_seed=history.seed, step=step,
        until=history.until(number), steps=history.steps, checkpoint=history.checkpoint(number),
        reported=history.reported(trained_by, step), objectives=tuple(history.objectives),
        begun=history.begun(number), is_fork=parent is not None,
    )  # fmt: skip
