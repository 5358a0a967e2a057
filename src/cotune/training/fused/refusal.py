"""Why a model cannot be trained as lanes of one pass, in words that name the user's line."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import torch

_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parents[2], Path(contextlib.__file__))


class Unfusable(Exception):
    """This model must be trained by itself. Its message says why, without a final stop."""


@contextlib.contextmanager
def told_by_line(builder: object) -> Iterator[None]:
    """What goes wrong inside, but for a lack of memory, becomes Unfusable with the user's line.

    builder: as `refused` takes it.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise refused(error, builder) from error


def refused(error: BaseException, builder: object) -> Unfusable:
    """What an error in a lane's code means, with the innermost of the user's lines on the way to it.

    builder: the function that made the model; its line is told if the model is made of torch's modules alone.
    """
    reason = str(error) if isinstance(error, Unfusable) else _shortened(error)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_users(frame.filename):
            code = (frame.line or "").strip()
            return Unfusable(f"{frame.name} line {frame.lineno} of {Path(frame.filename).name} {reason}: {code}")
    made = getattr(builder, "__code__", None)
    if not isinstance(made, CodeType):
        return Unfusable(reason)
    place = f"{made.co_name} line {made.co_firstlineno} of {Path(made.co_filename).name}"
    return Unfusable(f"the model of {place} {reason}")


def _is_users(file: str) -> bool:
    return not file.startswith("<") and not any(place in (Path(file), *Path(file).parents) for place in _NOT_THE_USERS)


def _shortened(error: BaseException) -> str:
    first = str(error).strip().split("\n")[0]
    return f"cannot be vectorised ({type(error).__name__}: {first[:160]})"
