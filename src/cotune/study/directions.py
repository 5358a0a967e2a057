"""Objectives and their directions, as a study's arguments say them."""

from __future__ import annotations

from cotune.errors import StudyError

DEFAULT = "value"
"""Name of the metric that a function returns when nothing else is said."""


def directions(minimize: str | list[str] | None, maximize: str | list[str] | None) -> dict[str, bool]:
    """Metric -> whether it is maximised; minimise "value" if nothing is said.

    Raises StudyError for names that are not text, empty, or given twice.
    """
    if minimize is None and maximize is None:
        return {DEFAULT: False}
    chosen: dict[str, bool] = {}
    for argument, value, maximise in (("maximize", maximize, True), ("minimize", minimize, False)):
        for name in _names(argument, value):
            if name in chosen:
                raise StudyError(f"Study({argument}=...) names {name!r} a second time; an objective has one direction")
            chosen[name] = maximise
    if not chosen:
        raise StudyError("Study(...) has no objective: minimize and maximize are empty. Name a metric in one of them.")
    return chosen


def _names(argument: str, value: str | list[str] | None) -> list[str]:
    names: list[str] = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    for name in names:
        if not isinstance(name, str) or not name:
            raise StudyError(f"Study({argument}=...) takes the name of a metric or a list of names, got {name!r}")
    return names
