"""The checks of a study's arguments that need no torch."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cotune.errors import ReportError, StudyError
from cotune.records import whole_number
from cotune.schedulers import Race
from cotune.storage import Durability, MemoryStorage, SqliteStorage, Storage
from cotune.study.budget import Budget
from cotune.study.stopping import Stopping

if TYPE_CHECKING:
    from cotune.study.objectives import Target


def checked_seed(seed: object) -> int:
    """A seed is a whole number of at least 0, below 2**63."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise StudyError(f"Study(seed={seed!r}) takes a whole number from 0 to 2**63 - 1")
    return seed


def check_page(file: str | Path, step: object, metrics: Mapping[str, object]) -> None:
    """A page about the study takes the name of an HTML file and nothing else."""
    if step is not None or metrics:
        raise ReportError(
            f"study.report({str(file)!r}) writes a page about the study and takes nothing else; "
            "to report a trial, give it or its number: study.report(trial, loss=0.3)"
        )
    if Path(file).suffix.lower() not in (".html", ".htm"):
        raise StudyError(f"study.report({str(file)!r}) writes a page: give it a name that ends in .html")


def checked_epochs(epochs: object) -> int | None:
    """How many epochs a function's trial has, if that is known."""
    return None if epochs is None else whole_number("Study(epochs=", epochs)


def checked_budget(trials: object, total_epochs: object, seconds: object) -> Budget:
    """At least one bound, each positive."""
    if trials is None and total_epochs is None and seconds is None:
        raise StudyError("study.optimize() needs a budget: trials=100, total_epochs=3000 or seconds=3600")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0):
        raise StudyError(f"study.optimize(seconds={seconds!r}) takes a number above 0")
    return Budget(
        trials=None if trials is None else whole_number("study.optimize(trials=", trials),
        total_epochs=None if total_epochs is None else whole_number("study.optimize(total_epochs=", total_epochs),
        seconds=None if seconds is None or math.isinf(seconds) else float(seconds),
    )


def checked_stopping(
    objectives: Sequence[str], *, stop: object, tolerance: object, target: object, patience: object
) -> Stopping:
    """What ends a search before its budget is spent."""
    if stop not in (None, "auto"):
        raise StudyError(f"study.optimize(stop={stop!r}) takes 'auto' or None")
    if tolerance is not None and stop is None:
        raise StudyError(f"study.optimize(tolerance={tolerance!r}) goes with stop='auto'")
    return Stopping(
        targets={} if target is None else _targets(target, objectives),
        patience=None if patience is None else whole_number("study.optimize(patience=", patience),
        is_auto=stop == "auto",
        tolerance=None if tolerance is None else _tolerance(tolerance),
    )


def _targets(target: object, objectives: Sequence[str]) -> dict[str, float]:
    if not isinstance(target, Mapping):
        if len(objectives) > 1:
            named = ", ".join(f"{name!r}: ..." for name in objectives)
            raise StudyError(
                f"study.optimize(target={target!r}) is one value for {len(objectives)} objectives: "
                f"name those that must be reached together, target={{{named}}}"
            )
        return {objectives[0]: _finite("study.optimize(target=", target)}
    unknown = [name for name in target if name not in objectives]
    if unknown or not target:
        raise StudyError(
            f"study.optimize(target={dict(target)!r}) takes values of the objectives, {', '.join(objectives)}"
        )
    return {str(name): _finite(f"study.optimize(target={name!r}: ", value) for name, value in target.items()}


def _tolerance(tolerance: object) -> float:
    value = _finite("study.optimize(tolerance=", tolerance)
    if value < 0:
        raise StudyError(f"study.optimize(tolerance={tolerance!r}) takes a number of at least 0, in the metric's units")
    return value


def _finite(argument: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise StudyError(f"{argument}{value!r}) takes a finite number")
    return float(value)


def checked_path(path: object, argument: str) -> Path:
    """A folder's path as given by a user; argument: the name used in errors."""
    if not isinstance(path, str | Path) or not str(path):
        raise StudyError(f"{argument}{path!r}) takes a study's folder as text or a Path, e.g. 'runs/digits'")
    return Path(path)


def check_part(kind: str, part: object, method: str) -> None:
    """StudyError unless `part` is a name, or an object with the method of its kind."""
    if isinstance(part, type):
        raise StudyError(f"Study({kind}={part.__name__}) is a class; pass an object: {kind}={part.__name__}()")
    if not isinstance(part, str) and not callable(getattr(part, method, None)):
        raise StudyError(f"Study({kind}={part!r}) takes a name, e.g. 'auto', or an object with {method}()")


def check_race(scheduler: object, target: Target | None) -> None:
    """StudyError where folds shall race that train side by side, or where there are none."""
    if isinstance(scheduler, Race) and target is not None and target.task is not None and target.folds is None:
        raise StudyError(
            "scheduler='race' stops trials after their first folds, and this task does not train one fold after "
            "another. Use Task(validation=ct.KFold(5, race=True)), or scheduler='asha'."
        )


def checked_number(trial: object, number: object, call: str) -> int:
    """The number of a trial that is told or reported, as `call` says; trial: what the user gave."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise StudyError(f"study.{call}({trial!r}, ...) takes what ask() gave, or a trial's number")
    return number


def checked_count(n: object) -> int:
    """How many trials are asked for."""
    return whole_number("study.ask(n=", n)


def check_confirmed(top: object, seeds: object) -> None:
    """StudyError unless some trials are to be trained again, and with several seeds."""
    whole_number("study.confirm(top=", top)
    if whole_number("study.confirm(seeds=", seeds) < 2:
        raise StudyError("study.confirm(seeds=1) cannot tell luck from quality; use at least 2, better 5")


def check_refit(data: object) -> None:
    """StudyError unless it is said which data the winner trains on."""
    if data not in ("all", "train"):
        raise StudyError(f"study.refit(data={data!r}) takes 'all' or 'train'")


def storage_at(path: Path | None, durability: Durability) -> Storage:
    """The log in a folder, or one in memory."""
    if durability not in ("process", "power"):
        raise StudyError(f"Study(durability={durability!r}) takes 'process' or 'power'")
    if path is None:
        return MemoryStorage()
    if path.exists() and not path.is_dir():
        raise StudyError(f"Study(path={str(path)!r}) is a file; a study is a folder. Choose another path.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"Study(path={str(path)!r}) cannot be made: {error.strerror}. Choose another path.") from error
    if not os.access(path, os.W_OK):
        raise StudyError(f"Study(path={str(path)!r}) cannot be written to. Choose another path, or Study.open it.")
    return SqliteStorage(path.absolute(), durability=durability)
