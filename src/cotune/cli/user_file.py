"""The study in a user's Python file; whatever is wrong there is told in terms of that file."""

from __future__ import annotations

import difflib
import sys
import sysconfig
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import cloudpickle

from cotune.cli.mistake import Mistake
from cotune.errors import Interrupted
from cotune.printable import printable_lines
from cotune.study import Study

_OURS = Path(__file__).resolve().parents[1]
_NOT_THE_USERS = (_OURS, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))


def study_in(target: str) -> Study:
    """The study that `file.py:name` names; without a name, `study`. Raises Mistake if there is none."""
    path, _, name = target.rpartition(":")
    if not path or Path(target).is_file():
        path, name = target, "study"
    variables = vars(_imported(Path(path)))
    if name not in variables:
        studies = [other for other, value in variables.items() if isinstance(value, Study)]
        near = difflib.get_close_matches(name, studies, n=1) or studies[:1]
        hint = f"Did you mean {path}:{near[0]}?" if near else "Make one there: study = ct.Study(task, space, path=...)"
        raise Mistake(printable_lines(f"{path} has no variable {name!r}. {hint}"))
    found = variables[name]
    if not isinstance(found, Study):
        raise Mistake(printable_lines(f"{name!r} in {path} is a {type(found).__name__}, not a ct.Study"))
    return found


def _imported(file: Path) -> ModuleType:
    """The file as a module of its own name, with its folder first on the path, as Python has it for a script."""
    if not file.is_file():
        raise Mistake(printable_lines(f"there is no file {file}"))
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_of_user"
    spec = spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise Mistake(printable_lines(f"{file} is not a Python file; its name must end in .py"))
    module = sys.modules[name] = module_from_spec(spec)
    cloudpickle.register_pickle_by_value(module)  # a worker shall not run the file again to find what is in it
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Interrupted:
        raise
    except (Exception, SystemExit) as error:
        raise Mistake(printable_lines(f"{file} cannot be imported\n{_trimmed(error)}")) from error
    return module


def _trimmed(error: BaseException) -> str:
    """The traceback with the user's own frames only."""
    summary = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = summary
    while link is not None:
        link.stack = traceback.StackSummary.from_list([frame for frame in link.stack if _is_users(frame.filename)])
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(summary.format()).rstrip()


def _is_users(filename: str) -> bool:
    return Path(filename).is_file() and not any(folder in Path(filename).parents for folder in _NOT_THE_USERS)
