"""The progress of a search: a live panel on a terminal, one line a minute elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cotune.printable import printable
from cotune.records import History, State
from cotune.spelled import duration, shown
from cotune.study.budget import Budget
from cotune.study.stopping import Stopping, end_in_words

_REDRAW_S = 0.25
_LINE_S = 60.0
_SETTLED_S = 1.0
"""Before this long nothing is said of speed."""
_BAR_WIDTH = 40
_SHARE = 0.01
"""Part of the time that drawing may take; the larger the history, the rarer it is drawn."""


class Panel:
    """Shows how much of the budget is spent, the best so far and the time that is left. Writes to standard error."""

    def __init__(
        self,
        budget: Budget,
        *,
        title: str,
        stopping: Stopping | None = None,
        choice: Mapping[str, str] | None = None,
        hints: Sequence[str] = (),
        is_shown: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        """choice: name of the strategy that `auto` took, and why. hints: advice on the space, shown at the start."""
        self._hints, self._stopping = tuple(hints), stopping or Stopping()
        self._choice = printable(f"auto: {choice['name']}, because {choice['why']}") if choice else ""
        self._budget, self._title, self._is_shown = budget, printable(title), is_shown
        self._console = Console(file=stream or sys.stderr, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._begun_at = time.monotonic()
        self._n_begun, self._spent_begun, self._seconds_begun = 0, 0.0, 0.0
        self._next_at = math.inf
        self._last: History | None = None

    def __enter__(self) -> Panel:
        for hint in self._hints if self._is_shown else ():
            self._console.print(Text(f"hint: {printable(hint)}"), soft_wrap=True)
        if self._is_shown and self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._is_shown and self._last is not None:
            self._print_last(self._last)

    def note(self, text: str) -> None:
        """Print a line beside the panel."""
        if self._is_shown and text:
            console = self._live.console if self._live is not None else self._console
            console.print(Text(f"{self._title}: {printable(text)}"), soft_wrap=True)

    def show(self, history: History) -> None:
        """Draw anew, if it is time."""
        begun = time.monotonic()
        if self._last is None:
            self._begin(history, begun)
        self._last = history
        if not self._is_shown or begun < self._next_at:
            return
        if self._live is not None:
            self._live.update(self._picture(history), refresh=True)
        else:
            self._print_line(history)
        cost_s = time.monotonic() - begun
        self._next_at = begun + max(_REDRAW_S if self._live else _LINE_S, cost_s / _SHARE)

    def _begin(self, history: History, now: float) -> None:
        self._begun_at, self._n_begun, self._seconds_begun = now, _n_ended(history), history.seconds
        self._spent_begun = self._spent(history)
        self._next_at = now if self._live else now + _LINE_S

    def _print_last(self, history: History) -> None:
        """The same, with what `auto` chose and why the search ended before its budget was spent."""
        words = None if history.running else end_in_words(history, self._stopping)
        *facts, left = self._facts(history)
        self._print_facts(*facts, self._choice, f"ended: {printable(words)}" if words else left)

    def _print_line(self, history: History) -> None:
        self._print_facts(*self._facts(history))

    def _print_facts(self, *facts: str) -> None:
        self._console.print(Text(f"{self._title}: {' · '.join(fact for fact in facts if fact)}"), soft_wrap=True)

    def _picture(self, history: History) -> RenderableType:
        done, failed, best, speed, left = self._facts(history)
        share = self._spent(history)
        bar = ProgressBar(1.0, share, width=_BAR_WIDTH, complete_style="green", finished_style="green")
        row = Table.grid(padding=(0, 1))
        row.add_row(bar, Text(f"{done}, {left}" if left else done))
        winner = Text(best or "no result yet", style="bold" if best else "dim")
        details = [Text(text, style=style) for text, style in ((failed, "red"), (speed, "dim")) if text]
        choice = [Text(self._choice, style="dim")] if self._choice else []
        return Group(Text(self._title, style="dim"), row, winner, Text(" · ").join(details), *choice)

    def _facts(self, history: History) -> tuple[str, str, str, str, str]:
        """Done, failed, best, speed and the time left, each empty where there is nothing to say."""
        n_ended, n_failed = _n_ended(history), history.count(State.FAILED)
        total = f"/{self._budget.trials}" if self._budget.trials else ""
        elapsed_s = time.monotonic() - self._begun_at
        is_known = n_ended > self._n_begun and elapsed_s > _SETTLED_S
        speed = f"{3600 * (n_ended - self._n_begun) / elapsed_s:,.0f} trials/h" if is_known else ""
        forks = f", {len(history.forks)} forks" if history.forks else ""
        return (
            f"{n_ended}{total} trials{forks}",
            f"{n_failed} failed" if n_failed else "",
            best_in_words(history),
            speed,
            self._left(history),
        )

    def _left(self, history: History) -> str:
        """How long it still takes if it goes on as since this run began."""
        spent, elapsed_s = self._spent(history), time.monotonic() - self._begun_at
        if not self._spent_begun < spent < 1 or elapsed_s < _SETTLED_S:
            return ""
        return f"{duration(math.ceil(elapsed_s * (1 - spent) / (spent - self._spent_begun)))} left"

    def _spent(self, history: History) -> float:
        """Share of the budget that is spent, in [0, 1]: of the bound that comes first."""
        return min(max(self._shares(history), default=0.0), 1.0)

    def _shares(self, history: History) -> Iterator[float]:
        if self._budget.trials is not None:
            yield self._share_of_trials(history, self._budget.trials)
        if self._budget.total_epochs is not None:
            yield history.steps_paid / self._budget.total_epochs
        if self._budget.seconds is not None:
            yield (self._seconds_begun + time.monotonic() - self._begun_at) / self._budget.seconds

    @staticmethod
    def _share_of_trials(history: History, trials: int) -> float:
        """Of the places of a population, which are all trained to their ends, or of the trials."""
        if history.forks and history.steps:
            return history.steps_paid / (trials * history.steps)
        return _n_ended(history) / trials


def best_in_words(history: History) -> str:
    """The best so far in a few words; empty without a result."""
    if len(history.objectives) > 1:
        front = history.front()
        return f"front of {len(front)} trials" if front else ""
    number = history.best()
    if number is None:
        return ""
    name = next(iter(history.objectives))
    return f"best {printable(name)} {shown(history.metrics(number)[name])} (trial {number})"


def _n_ended(history: History) -> int:
    """How many trials have come to a milestone or to an outcome, without forks: those that pause may never go on."""
    return int(np.count_nonzero(history.ended) - np.count_nonzero(history.ended[history.forks]))
