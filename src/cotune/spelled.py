"""Numbers, spans of time and long texts as a person reads them."""

from __future__ import annotations

from typing import Any


def shown(value: Any) -> str:
    """A value as a person reads it: floats with five significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def counted(n: int, noun: str) -> str:
    """`1 result`, `2 results`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def cut(text: str, n: int) -> str:
    """At most n characters of a text, at least one.

    >>> cut("momentum", 5), cut("adam", 5)
    ('mome…', 'adam')
    """
    return text if len(text) <= max(n, 2) else f"{text[: max(n, 2) - 1]}…"


def first_line(text: str, n: int) -> str:
    """Of a message, its first line, at most n characters of it."""
    return cut(text.partition("\n")[0], n)


def duration(seconds: float) -> str:
    """A span as people say it.

    >>> duration(0.148), duration(45), duration(720), duration(12000)
    ('0.15 s', '45 s', '12 min', '3 h 20 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
