"""The rules that a parameter obeys before it is searched; each failure is a SpaceError that says what to write."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cotune.config import Config
from cotune.errors import SpaceError
from cotune.space.cells import decimal
from cotune.space.values import key

LONGEST_NAME = 128
_METHODS = frozenset(method for method in dir(Config) if not method.startswith("_"))


def check_name(word: Any) -> str:
    """A name that a config can have as an attribute, a terminal can print and every storage can hold."""
    if not isinstance(word, str):
        raise SpaceError(f"a hyperparameter's name needs to be a string, got {word!r}. Write {str(word)!r}.")
    if not word.strip():
        raise SpaceError(f"a hyperparameter's name needs a letter, got {word!r}. Name it, e.g. 'learning_rate'.")
    if len(word) > LONGEST_NAME:
        raise SpaceError(f"a name needs at most {LONGEST_NAME} characters, got {len(word)}: {word!r}. Shorten it.")
    if word.startswith("_") or word in _METHODS:
        better = f"{word}_value" if word in _METHODS else word.lstrip("_") or "x"
        raise SpaceError(f"the name {word!r} is reserved (config.{word} has a meaning). Use another, e.g. {better!r}.")
    if not word.isprintable():
        raise SpaceError(
            f"the name {word!r} needs printable characters only (no control, direction or surrogate ones). "
            f"Remove {next(letter for letter in word if not letter.isprintable())!r}."
        )
    normal = unicodedata.normalize("NFC", word)
    if normal != word:
        raise SpaceError(
            f"the name {word!r} needs Unicode normal form NFC (it has {len(word)} characters where {len(normal)} "
            "spell the same). Use unicodedata.normalize('NFC', name)."
        )
    return word


def label(kind: str, word: str, log: Any) -> str:
    """What an error message calls the parameter: Float('learning_rate', log=True)."""
    return f"{kind}({word!r}, log=True)" if log is True else f"{kind}({word!r})"


def converted(convert: Callable[[Any], Any], owner: str, argument: str, value: Any) -> Any:
    """convert(value), its ValueError completed to a SpaceError about `argument`."""
    try:
        return convert(value)
    except ValueError as error:
        raise SpaceError(f"{owner}: {argument} {error}") from None


def check_flag(owner: str, argument: str, value: Any) -> None:
    """True or False, nothing alike."""
    if not isinstance(value, bool):
        raise SpaceError(f"{owner} needs {argument}=True or {argument}=False, got {argument}={value!r}. Write a bool.")


def check_range(owner: str, low: float, high: float, log: Any, step: Any) -> None:
    """low <= high, and what `log` demands."""
    check_flag(owner, "log", log)
    if low > high:
        raise SpaceError(f"{owner} needs low <= high, got low={low!r}, high={high!r}. Swap them.")
    if log and low <= 0:
        least = "1" if isinstance(low, int) else "1e-6"
        raise SpaceError(f"{owner} needs low > 0, got low={low!r}. Use a small positive bound, e.g. low={least}.")
    if log and step is not None:
        raise SpaceError(f"{owner} needs either log or step, got step={step!r} too. Leave one of them out.")


def check_step(owner: str, low: float, high: float, step: float) -> None:
    """step > 0, and high is low plus a multiple of it in decimal arithmetic."""
    if step <= 0:
        raise SpaceError(f"{owner} needs step > 0, got step={step!r}. Use a positive step or leave it out.")
    start, stride = decimal(low), decimal(step)
    count, left = divmod(decimal(high) - start, stride)
    if left:
        fitting = type(low)(start + count * stride)
        raise SpaceError(
            f"{owner} needs high to be low plus a multiple of step, got high={high!r} with low={low!r}, "
            f"step={step!r}. Use high={fitting!r} or one step more."
        )


def check_resolution(owner: str, low: float, high: float, step: float) -> None:
    """Floats must tell neighbouring steps apart, and their number must stay exact."""
    largest = max(abs(low), abs(high))
    if step < largest * 2.0**-40:
        raise SpaceError(
            f"{owner} needs a step of at least {largest * 2.0**-40:.2g} for bounds this large, got step={step!r}. "
            "Leave step out."
        )


def check_distinct(owner: str, choices: Sequence[Any]) -> None:
    """No choice equals another, by Python's equality."""
    seen: dict[Any, Any] = {}
    for item in choices:
        if key(item) in seen:
            raise SpaceError(
                f"{owner} needs different choices, got {seen[key(item)]!r} and {item!r}, which Python calls equal. "
                "Drop one of them."
            )
        seen[key(item)] = item


def checked_when(owner: str, value: Any) -> Mapping[str, Any] | None:
    """A mapping of parent names to conditions; what the conditions say is checked against the parents later."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(parent, str) for parent in value):
        raise SpaceError(f"{owner} needs when={{name: condition}}, got when={value!r}. E.g. when={{'layers': 2}}.")
    return dict(value) or None
