"""From what a user's function did to the trial's outcome, and what of a state that is gone."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from cotune.errors import ReportError, StorageError
from cotune.executors.equipment import Checkpoints
from cotune.records import Event, Failed, Finished, Job, real_number

_OURS = Path(__file__).resolve().parents[1]
_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"  # torch has no class of its own for the host's


class Diverged(ArithmeticError):
    """A training whose numbers are none any more."""

    cause: ClassVar[str] = "diverged"


class StateLost(RuntimeError):
    """A fork cannot go on, because the state of its parent is gone."""

    cause: ClassVar[str] = "no state"


def state_for(job: Job, checkpoints: Checkpoints) -> Any | None:
    """The state that a job goes on from; None where it begins from the start, because there is none or it is gone.

    Raises StateLost for a fork whose state is gone: its first steps were another trial's.
    """
    if job.checkpoint is None:
        return None
    try:
        return checkpoints.load(job.checkpoint)
    except StorageError as error:
        if job.is_fork:
            raise StateLost(str(error)) from error
        return None


def of_result(job: Job, step: int, reported: Mapping[str, float], result: Any, seconds: float) -> Event:
    """Finished with all metrics, or Failed if an objective is missing, not a number or not finite.

    reported: metrics of the last step. result: what the function returned; its values win over reported ones.
    """
    try:
        metrics = {**reported, **_metrics(job.objectives, result)}
    except ReportError as error:
        return failed(job, "wrong result", str(error), seconds)
    missing = [name for name in job.objectives if name not in metrics]
    if missing:
        reason = f"ended without {', '.join(missing)}; return the number or trial.report({missing[0]}=...) it"
        return failed(job, "no result", reason, seconds)
    wild = [f"{name} = {metrics[name]}" for name in job.objectives if not math.isfinite(metrics[name])]
    if wild:
        return failed(job, "diverged", ", ".join(wild), seconds)
    return Finished(job.number, job.epoch, max(step, 1), metrics, seconds)


def of_error(job: Job, error: BaseException, seconds: float) -> Event:
    """Failed, with the class of failure and the user's part of the traceback."""
    if isinstance(error, Diverged | StateLost):
        return failed(job, error.cause, str(error), seconds)
    reason = "".join(traceback.format_exception_only(error)).strip()
    return failed(job, _cause(error, reason), reason, seconds, _user_traceback(error))


def failed(job: Job, cause: str, reason: str, seconds: float, trace: str = "") -> Failed:
    """The trial's outcome when it has no result."""
    return Failed(job.number, job.epoch, cause, reason[:2000], trace[-4000:], seconds)


def _metrics(objectives: tuple[str, ...], result: Any) -> dict[str, float]:
    if result is None:
        return {}
    if isinstance(result, Mapping):
        return {str(name): real_number(str(name), value) for name, value in result.items()}
    if len(objectives) > 1:
        raise ReportError(
            f"the function returned {result!r}, but the study has the objectives {', '.join(objectives)}. "
            f"Return a dict, e.g. {{{objectives[0]!r}: ..., {objectives[1]!r}: ...}}."
        )
    return {objectives[0]: real_number(objectives[0], result)}


def _cause(error: BaseException, reason: str) -> str:
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _ALLOCATOR in reason:
        return "out of memory"
    if isinstance(error, ReportError):
        return "wrong result"
    return "exit" if isinstance(error, SystemExit) else "error"


def _user_traceback(error: BaseException) -> str:
    """The traceback without cotune's own frames."""
    summary = traceback.TracebackException.from_exception(error, limit=-30)
    summary.stack = traceback.StackSummary.from_list(
        [frame for frame in summary.stack if _OURS not in Path(frame.filename).parents]
    )
    return "".join(summary.format())
