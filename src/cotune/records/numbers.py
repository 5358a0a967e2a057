"""What counts as a metric's value, and as a whole number in an argument."""

from __future__ import annotations

import numbers
from typing import Any

from cotune.errors import ReportError, StudyError


def real_number(name: str, value: Any) -> float:
    """The value as a float; NaN and infinity pass. Takes real numbers and 0-d arrays or tensors.

    Raises ReportError naming the metric and the value for everything else: None, bool, text, complex, too large.
    """
    if getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ReportError(
            f"metric {name!r} must be a real number, got {_shown(value)} of type {type(value).__name__}. "
            "Give a float, or a tensor of one number."
        )
    try:
        return float(value)
    except OverflowError:
        raise ReportError(f"metric {name!r} is too large for a float, got {_shown(value)}. Scale it down.") from None


def whole_number(argument: str, value: object, least: int = 1) -> int:
    """The value, if it is a whole number of at least `least`. argument: as it is written, such as `ASHA(factor=`.

    Raises StudyError naming the argument and the value for everything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise StudyError(f"{argument}{value!r}) takes a whole number of at least {least}")
    return value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a huge integer, or a user's object that cannot be printed
        return "a value that cannot be printed"
    return text if len(text) <= 80 else f"{text[:77]}..."
