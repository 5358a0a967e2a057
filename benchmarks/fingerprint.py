"""Which version of cotune chose: the release, and a digest of the code that a strategy chooses with.

Comments, docstrings and formatting do not count. Only files that the strategy imports do, and of them only those
that can change what is suggested.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import cotune

SOURCE = Path(cotune.__file__).parent
_CHOOSING = ("strategies", "numerics", "space", "seeds", "config")


def version(strategy: str, scheduler: str | None = None) -> str:
    """Such as 0.1.0+1f3a9c04; with a scheduler, that and what decides which of its actions are afforded count too."""
    own = [SOURCE / "strategies" / f"{strategy}.py", SOURCE / "strategies" / strategy / "strategy.py"]
    roots = [path for path in own if path.exists()] or [
        SOURCE / "study" / "auto.py",
        *(SOURCE / "strategies").glob("*.py"),
    ]
    among = _CHOOSING
    if scheduler is not None:
        deciding = (f"schedulers/{scheduler}.py", "study/planner.py", "study/budget.py")
        roots, among = [*roots, *(SOURCE / path for path in deciding)], (*_CHOOSING, "schedulers", "records")
    digest = hashlib.sha256()
    for path in sorted(_reached(roots, among)):
        digest.update(f"{path.relative_to(SOURCE).as_posix()}\n{_code(path)}".encode())
    return f"{cotune.__version__}+{digest.hexdigest()[:8]}"


def _reached(roots: list[Path], among: tuple[str, ...]) -> set[Path]:
    """The files themselves, and all of cotune that they import and that chooses."""
    found: set[Path] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path, among)
    return found


def _imported(path: Path, among: tuple[str, ...]) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cotune."):
            parts = node.module.split(".")[1:]
            if parts[0] in among:
                yield from _files(SOURCE.joinpath(*parts), [name.name for name in node.names])


def _files(target: Path, names: list[str]) -> Iterator[Path]:
    """A module's file; of a package its `__init__` and those of the imported names that are modules."""
    if not target.is_dir():
        yield target.with_suffix(".py")
        return
    yield target / "__init__.py"
    yield from (target / f"{name}.py" for name in names if (target / f"{name}.py").exists())


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
