"""The progress of a search: a live panel on a terminal, one line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cotune.records import History, State
from cotune.study.loop import Budget

_REDRAW_S = 0.25
_LINE_S = 60.0


class Panel:
    """Shows done and total, the best so far, trials per hour and the time that is left. Writes to standard error."""

    def __init__(self, budget: Budget, *, title: str, is_shown: bool = True, stream: TextIO | None = None) -> None:
        self._budget, self._title, self._is_shown = budget, title, is_shown
        self._console = Console(file=stream or sys.stderr)
        self._live: Live | None = None
        self._begun_at = time.monotonic()
        self._n_begun: int | None = None
        self._drawn_at = self._begun_at
        self._last: History | None = None

    def __enter__(self) -> Panel:
        if self._is_shown and self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._is_shown and self._last is not None:
            self._console.print(self._line(self._last))

    def show(self, history: History) -> None:
        """Draw anew, if it is time."""
        self._last = history
        if self._n_begun is None:
            self._n_begun = _n_ended(history)
        now = time.monotonic()
        if not self._is_shown or now - self._drawn_at < (_REDRAW_S if self._live else _LINE_S):
            return
        self._drawn_at = now
        if self._live is not None:
            self._live.update(self._table(history), refresh=True)
        else:
            self._console.print(self._line(history))

    def _line(self, history: History) -> Text:
        facts = " · ".join(value for _, value in self._facts(history) if value)
        return Text(f"{self._title}: {facts}")

    def _table(self, history: History) -> Table:
        table = Table(title=self._title, show_header=False, title_justify="left", box=None)
        for name, value in self._facts(history):
            if value:
                table.add_row(Text(name, style="dim"), Text(value))
        return table

    def _facts(self, history: History) -> list[tuple[str, str]]:
        total = self._budget.trials
        ended = _n_ended(history)
        failed = history.count(State.FAILED)
        done = f"{ended}/{total} trials" if total else f"{ended} trials"
        return [
            ("done", done + (f", {failed} failed" if failed else "")),
            ("best", best_in_words(history)),
            ("speed", self._speed(ended)),
            ("left", self._left(ended)),
        ]

    def _rate(self, ended: int) -> float:
        """Trials per second since this run began."""
        return (ended - (self._n_begun or 0)) / max(time.monotonic() - self._begun_at, 1e-9)

    def _speed(self, ended: int) -> str:
        rate = self._rate(ended)
        return f"{3600 * rate:,.0f} trials/h" if rate > 0 else ""

    def _left(self, ended: int) -> str:
        rate, total = self._rate(ended), self._budget.trials
        if not total or rate <= 0 or ended >= total:
            return ""
        return f"{duration((total - ended) / rate)} left"


def best_in_words(history: History) -> str:
    """The best so far in a few words; empty without a result."""
    if len(history.objectives) > 1:
        front = history.front()
        return f"front of {len(front)} trials" if front else ""
    number = history.best()
    if number is None:
        return ""
    name = next(iter(history.objectives))
    return f"best {name} {history.metrics(number)[name]:.5g} (trial {number})"


def duration(seconds: float) -> str:
    """A span as people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _n_ended(history: History) -> int:
    return sum(history.count(state) for state in (State.DONE, State.FAILED, State.STOPPED))
