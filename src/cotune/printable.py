"""Text that is safe to print: names and messages come from files and from users' code, and may hold anything."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, without control characters, escape sequences' ESC and other marks that do not print.

    >>> printable("loss\\x1b[2J is\\tNaN")
    'loss[2J is NaN'
    """
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def printable_lines(text: str) -> str:
    """The same, line by line, with its indentation.

    >>> printable_lines("Traceback:\\n  File 'a\\x07.py'")
    "Traceback:\\n  File 'a.py'"
    """
    return "\n".join("".join(c for c in line.expandtabs(4) if c.isprintable()) for line in text.splitlines())
