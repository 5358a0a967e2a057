"""Studies to read, and the command line to read them with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cotune as ct
from cotune.cli.main import cotune

Cli = Callable[..., Result]
SPACE = {"learning_rate": ct.Float(1e-4, 1e-1, log=True), "optimizer": ["sgd", "adam"]}


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the program in this process, which keeps its path and modules."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    runner = CliRunner(env={"NO_COLOR": "1"})
    return lambda *words: runner.invoke(cotune, [str(word) for word in words], prog_name="cotune")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A study without trials."""
    ct.Study(None, SPACE, minimize="value", path=tmp_path / "empty").close()
    return tmp_path / "empty"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Four trials: the values 3, 1 and 2, and a failure; 1 is the best."""
    with ct.Study(None, SPACE, minimize="value", path=tmp_path / "told", strategy="random", seed=7) as study:
        for value in (3.0, 1.0, 2.0):
            study.tell(study.ask(), value)
        study.tell(study.ask(), failed="the cable broke")
    return tmp_path / "told"


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """Two trials that failed, one with a message that would colour and clear a terminal."""
    with ct.Study(None, SPACE, minimize="value", path=tmp_path / "failed", strategy="random") as study:
        study.tell(study.ask(), failed="\x1b[2J\x1b[31mred alert\x07")
        study.tell(study.ask(), float("nan"))
    return tmp_path / "failed"


@pytest.fixture
def two_objectives(tmp_path: Path) -> Path:
    """Three trials, of which 0 and 2 are on the front."""
    path = tmp_path / "two"
    with ct.Study(None, {"x": (0.0, 1.0)}, maximize="accuracy", minimize="seconds", path=path) as study:
        for accuracy, seconds in ((0.9, 10.0), (0.8, 12.0), (0.7, 1.0)):
            study.tell(study.ask(), accuracy=accuracy, seconds=seconds)
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder whose study.db is not a database."""
    path = tmp_path / "damaged"
    path.mkdir()
    (path / "study.db").write_bytes(b"this is no database" * 100)
    return path
