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
    reasons = dict[tuple[str, str], str]()
    for number in range(len(history)):
        failure = history.failure(number)
        if failure is not None:
            name = _ERROR.match(failure.reason) if failure.cause == "error" else None
            kind = failure.cause, name[0] if name else ""
            kinds.setdefault(kind, []).append(number)
            reasons[kind] = failure.reason
    found = [FailureKind(*kind, tuple(numbers), reasons[kind]) for kind, numbers in kinds.items()]
    return sorted(found, key=lambda kind: -len(kind.trials))
