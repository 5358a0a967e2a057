"""Failures by kind, so that a hundred of the same are one line: a pure function of the history."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cotune.records import History

_ERROR = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Trials that failed in the same way, by number. error: the exception's name, or empty. reason: of the last one."""

    cause: str
    error: str
    trials: tuple[int, ...]
    reason: str


def failures(history: History) -> list[FailureKind]:
    """All kinds of failures, the commonest first."""
    kinds = dict[tuple[str, str], list[int]]()
    for number in range(len(history)):
        failure = history.failure(number)
        if failure is not None:
            name = _ERROR.match(failure.reason) if failure.cause == "error" else None
            kinds.setdefault((failure.cause, name[0] if name else ""), []).append(number)
    found = [
        FailureKind(cause, error, tuple(numbers), last.reason)
        for (cause, error), numbers in kinds.items()
        if (last := history.failure(numbers[-1])) is not None
    ]
    return sorted(found, key=lambda kind: -len(kind.trials))
