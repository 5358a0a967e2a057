"""The trials of a study as a table that is light to hold and easy to look at."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator, Sequence
from typing import Any, overload

from cotune.errors import MissingPackage
from cotune.printable import printable_lines
from cotune.records import History, State, Trial
from cotune.spelled import shown

_SHOWN = 20


class Trials(Sequence[Trial]):
    """All trials by number. Indexing gives one trial; `column` and `rows` give plain values for tables.

    It reads the history it was made from: what is told to the study later appears here too.
    """

    def __init__(self, history: History) -> None:
        self._history = history

    def __len__(self) -> int:
        return len(self._history)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self._history.trial(number) for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no trial {index}; the study has {len(self)}")
        return self._history.trial(index % len(self))

    def __iter__(self) -> Iterator[Trial]:
        return (self._history.trial(number) for number in range(len(self)))

    @property
    def columns(self) -> list[str]:
        """Names of the columns: number, state, every metric, every parameter, seconds, failure."""
        metrics = dict.fromkeys(name for number in range(len(self)) for name in self._history.metrics(number))
        wanted = dict.fromkeys([*self._history.objectives, *metrics])
        return ["number", "state", *wanted, *self._history.space.names, "seconds", "failure"]

    def rows(self) -> list[dict[str, Any]]:
        """One mapping of column to value per trial; None where a trial has no such value."""
        columns = self.columns
        return [_row(self._history.trial(number), columns) for number in range(len(self))]

    def to_csv(self) -> str:
        """The table as CSV text, without control characters.

        A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_harmless(name) for name in self.columns])
        writer.writerows([_harmless(value) for value in row.values()] for row in self.rows())
        return text.getvalue()

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame. Raises MissingPackage without pandas."""
        try:
            import pandas as pd  # optional
        except ImportError:
            raise MissingPackage("trials.to_pandas() needs pandas: pip install pandas") from None
        return pd.DataFrame(self.rows(), columns=self.columns)

    def __repr__(self) -> str:
        counts = {state: self._history.count(state) for state in State}
        return f"<{len(self)} trials: {', '.join(f'{n} {state}' for state, n in counts.items() if n) or 'none yet'}>"

    def _repr_html_(self) -> str:
        columns = self.columns
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        last = range(max(0, len(self) - _SHOWN), len(self))
        body = "".join(_html_row(_row(self._history.trial(number), columns)) for number in last)
        note = f"<p>the last {_SHOWN} of {len(self)} trials</p>" if len(self) > _SHOWN else ""
        return f"{note}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(trial: Trial, columns: list[str]) -> dict[str, Any]:
    facts = {
        **trial.config,
        **trial.metrics,
        "number": trial.number,
        "state": str(trial.state),
        "seconds": trial.seconds,
        "failure": f"{trial.failure.cause}: {trial.failure.reason}" if trial.failure else None,
    }
    return {name: facts.get(name) for name in columns}


def _html_row(row: dict[str, Any]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(shown(value))}</td>" for value in row.values()) + "</tr>"


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = printable_lines(value)  # first, lest a formula hide behind a character that is removed later
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
