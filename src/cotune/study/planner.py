"""Who decides: strategy, scheduler and budget together, as a pure function of the history."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from cotune.records import (
    Action,
    Draw,
    Event,
    History,
    Passed,
    Reached,
    Resume,
    Resumed,
    Start,
    Started,
    Stop,
    Stopped,
    Suggestion,
)
from cotune.schedulers import Scheduler
from cotune.seeds import Purpose, generator
from cotune.strategies import Strategy
from cotune.study.budget import Budget
from cotune.study.log import Log
from cotune.study.stopping import Stopping, why_ended


@dataclass(frozen=True, slots=True)
class Planner:
    """Who decides: a strategy, a scheduler, the budget that their actions must fit in, and what ends them before."""

    strategy: Strategy
    scheduler: Scheduler
    budget: Budget = field(default_factory=Budget)
    stopping: Stopping = field(default_factory=Stopping)

    def plan(
        self, history: History, slots: int, worker: str, *, pausable: bool = True, isolated: bool = False
    ) -> list[Event]:
        """The decisions for up to `slots` free slots of a worker, as events; a pure function of the history.

        pausable: whether the worker can leave a trial at a milestone and continue it later; else see `judged`.
        isolated: whether trials cannot end the worker.
        """
        events = _events(self._chosen(history, slots), history, worker)
        if isolated:
            events = [replace(one, isolated=True) if isinstance(one, Started | Resumed) else one for one in events]
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
        is_spent = not next(self.budget.affords([action], history))
        if is_spent or why_ended(history, self.stopping) is not None:
            return [reached]
        return [Passed(number, epoch, step, action.until, dict(action.decision), history.position)]

    @property
    def judge(self) -> Callable[[History, int, int], Resume | Stop] | None:
        """How the scheduler decides about a trial that keeps no state; None if it does not."""
        return getattr(self.scheduler, "judge", None)

    def _chosen(self, history: History, slots: int) -> list[Action]:
        """What the scheduler plans and the budget affords.

        A resume that the budget refuses must not keep its slot from something else: then more are asked for, until as
        many were as are refused; there are no more of those than trials.
        """
        draw, has_ended = draw_of(history.seed), why_ended(history, self.stopping) is not None
        fresh = _Fresh(self.strategy, history, draw, 0 if has_ended else min(slots, self._room(history)))
        n_more = 0
        while True:
            actions = self.scheduler.plan(history, slots + n_more, fresh.from_the_first(), draw)
            if has_ended:
                actions = [action for action in actions if _ends(action, history)]
            judged = list(zip(actions, self.budget.affords(actions, history), strict=True))
            n_refused = sum(isinstance(action, Resume) and not fits for action, fits in judged)
            if n_refused <= n_more:
                return _first(slots, [action for action, fits in judged if fits])
            n_more = max(n_refused, 2 * n_more)

    def _alive(self, event: Event, history: History) -> Event:
        """The same for a worker that cannot pause: where nobody would judge its trials they train to their ends."""
        if not isinstance(event, Started | Resumed):
            return event
        return replace(event, pausable=False, until=event.until if self.judge else history.created_steps)

    def outline(self, steps: int | None) -> str:
        """How the scheduler will go about trials of so many steps, in words; empty if it has nothing to say."""
        says = getattr(self.scheduler, "outline", None)
        return str(says(steps)) if says is not None and steps is not None else ""

    def _room(self, history: History) -> float:
        """How many new trials the budget has room for."""
        return math.inf if self.budget.trials is None else max(0, self.budget.trials - history.n_proposed)

    def has_nothing_left(self, history: History) -> bool:
        """Whether it is the strategy that ends the search: the budget has room, and there is nothing to propose."""
        if self._room(history) == 0 or why_ended(history, self.stopping):
            return False
        return not self.strategy.suggest(history, 1, draw_of(history.seed))


def draw_of(seed: int) -> Draw:
    """The generators that trials of a study choose with."""
    return lambda number: generator(seed, Purpose.CHOOSE, number)


def judge(log: Log, planner: Planner, number: int, epoch: int, step: int, seconds: float = 0.0) -> int | None:
    """Decide about a trial that came to its milestone and cannot pause: until which step it goes on; None: not at all.

    epoch: its lease. Raises LeaseLost if that does not count any more.
    """

    def choose(history: History) -> list[Event]:
        log.require_lease(number, epoch)
        return planner.judged(history, number, step, seconds)

    event = log.decide(choose)[0]
    return (event.until or log.history.steps) if isinstance(event, Passed) else None


@dataclass(slots=True)
class _Fresh:
    """The suggestions for one decision, at most so many; each is computed once."""

    strategy: Strategy
    history: History
    draw: Draw
    most: float
    known: list[Suggestion] = field(default_factory=list)

    def from_the_first(self) -> Callable[[int], list[Suggestion]]:
        """`suggest` for one plan: later calls go on where earlier ones ended."""
        given = 0

        def suggest(n: int) -> list[Suggestion]:
            nonlocal given
            n = int(min(n, self.most - given))
            if n > len(self.known) - given:
                self.known += self.strategy.suggest(self.history, given + n, self.draw)[len(self.known) :]
            chosen = self.known[given : given + max(n, 0)]
            given += len(chosen)
            return chosen

        return suggest


def _ends(action: Action, history: History) -> bool:
    """Whether the action only brings to its end what was training when the search ended: a lease that was cut short."""
    match action:
        case Start():
            return False
        case Resume(number=number):
            return number in history.waiting and history.epoch(number) > 0
        case Stop():
            return True


def _first(slots: int, actions: Sequence[Action]) -> list[Action]:
    """The actions without those that train beyond so many."""
    training = accumulate(not isinstance(action, Stop) for action in actions)
    return [action for action, n in zip(actions, training, strict=True) if isinstance(action, Stop) or n <= slots]


def _events(actions: Sequence[Action], history: History, worker: str) -> list[Event]:
    events, number = list[Event](), len(history)
    for action in actions:
        match action:
            case Start():
                events.append(_started(action, number, history, worker))
                number += 1
            case Resume():
                epoch, why = history.epoch(action.number) + 1, dict(action.decision)
                events.append(Resumed(action.number, worker, epoch, action.until, history.position, decision=why))
            case Stop():
                events.append(Stopped(action.number, dict(action.decision), history.position))
    return events


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
