"""What counts as a number, a whole number or a choice; everything else is told what to write instead.

The messages end a sentence that begins with the argument: "low needs a finite number, got nan. Use ...".
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1


def real(value: Any) -> float:
    """A Python float from a Python or numpy number; ValueError for all else, bool, NaN and infinities included."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"needs a number, got {value!r}. Write an int or a float.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"needs a finite number, got {value!r}. Use one between -1.7e308 and 1.7e308.")
    return number + 0.0  # -0.0 becomes 0.0


def whole(value: Any) -> int:
    """A Python int from a Python or numpy one; ValueError for all else, bool and 3.0 included."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"needs a whole number, got {value!r}. Write an int such as 3, or use Float.")
    number = int(value)
    if not INT_LOW <= number <= INT_HIGH:
        raise ValueError(f"needs a whole number of 64 bits, got {value!r}. Use one in [-2**63, 2**63 - 1].")
    return number


def choice(value: Any) -> Any:
    """A copy of a JSON value made of Python types only; ValueError for what strict JSON cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [choice(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {_text(key): choice(item) for key, item in value.items()}
    remedy = f"Use the list {list(value)!r}." if isinstance(value, tuple) else "Use a string that your model looks up."
    raise ValueError(f"needs JSON values (None, bool, number, string, list, dict), got {value!r}. {remedy}")


def key(value: Any) -> Any:
    """A hashable stand-in: two choices are equal exactly when their keys are."""
    if isinstance(value, list):
        return tuple(map(key, value))
    if isinstance(value, dict):
        return frozenset((name, key(item)) for name, item in value.items())
    return value


def nearest(word: object, words: Iterable[Any]) -> str:
    """A remedy: `Did you mean 'adam'?`, or the list of what there is."""
    known = list(words)
    near = difflib.get_close_matches(str(word), [str(item) for item in known if isinstance(item, str)], n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    more = ", ..." if len(known) > 10 else ""
    return f"Use one of {', '.join(map(repr, known[:10]))}{more}."


def _finite(value: float) -> float:
    if math.isfinite(value):
        return float(value)
    raise ValueError(f"needs finite numbers, got {value!r}. Use None or a string in its place.")


def _text(value: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"needs text that UTF-8 can hold, got {value!r}. Leave out the lone surrogate.")
    return str(value)
