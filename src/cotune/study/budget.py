"""What a search may cost, and what its decisions do cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cotune.records import Action, History, Resume, Start, State, Stop


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may cost, in total over all workers and resumes; None: no bound.

    trials: configurations proposed or enqueued. total_epochs: steps trained. seconds: training time in the log when
    the search begins, plus the time since.
    """

    trials: int | None = None
    total_epochs: int | None = None
    seconds: float | None = None

    def affords(self, actions: Iterable[Action], history: History) -> Iterator[bool]:
        """Of each action in turn whether it fits, beside those before it that did."""
        n_proposed, paid = history.n_proposed, history.steps_paid
        for action in actions:
            cost = _steps_of(action, history)
            is_dear = self.total_epochs is not None and paid + cost > self.total_epochs
            fits = not is_dear and not self._is_beyond(action, n_proposed, history)
            if fits:
                paid += cost
                n_proposed += isinstance(action, Start) and action.parent is None
            yield fits

    def _is_beyond(self, action: Action, n_proposed: int, history: History) -> bool:
        """Whether the action would train one configuration too many; forks are paid in epochs."""
        if self.trials is None:
            return False
        match action:
            case Start():
                return action.parent is None and n_proposed >= self.trials
            case Resume():
                return history.parent(action.number) is None and history.place(action.number) >= self.trials
            case Stop():
                return False


def _steps_of(action: Action, history: History) -> int:
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
