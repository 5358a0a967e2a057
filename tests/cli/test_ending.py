from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

FILE = """
import cotune as ct

def one(trial):
    return (trial.config.x - 1) ** 2

def two(trial):
    return {"accuracy": trial.config.x, "seconds": trial.config.x}

study = ct.Study(one, {"x": (-2.0, 2.0)}, path="s", strategy="random")
pair = ct.Study(two, {"x": (0.0, 1.0)}, path="p", strategy="random", maximize="accuracy", minimize="seconds")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "search.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return "search.py"


def test_patience_ends_a_run_and_status_and_show_say_why(cli, file):
    result = cli("run", file, "--trials", 500, "--patience", 7)
    assert result.exit_code == 0
    for output in (result.stdout, cli("status", "s").stdout, cli("show", "s").stdout):
        assert re.search(r"^  ended +7 trials without a better one$", output, re.MULTILINE)
    assert "stopping  patience 7" in cli("show", "s").stdout
    assert json.loads(cli("status", "s", "--json").stdout)["ended"] == "7 trials without a better one"


def test_a_target_ends_a_run(cli, file):
    assert "reached the target: value" in cli("run", file, "--trials", 500, "--target", "0.1").stdout
    assert "stopping  target value 0.1" in cli("show", "s").stdout


def test_targets_of_two_metrics_are_named(cli, file):
    words = ("run", f"{file}:pair", "--trials", 500, "--target", "accuracy=0.2", "--target", "seconds=0.4")
    assert "reached the target: accuracy" in cli(*words).stdout


def test_stop_auto_takes_a_tolerance(cli, file):
    result = cli("run", file, "--trials", 5, "--stop", "auto", "--tolerance", "0.1")
    assert result.exit_code == 0
    assert "stopping  stop auto, tolerance 0.1" in cli("show", "s").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--target", "high"], "neither a number nor METRIC=NUMBER"), (["--target", "accuracy=0.9"], "of the objectives"),
     (["--target", "1", "--target", "2"], "several --target need their metrics"), (["--patience", "0"], "x>=1"),
     (["--stop", "soon"], "'auto'"), (["--tolerance", "0.1"], "goes with stop='auto'"),
     (["--target", "nan"], "finite")],
)  # fmt: skip
def test_what_cannot_end_a_run_is_a_mistake(cli, file, words, message):
    result = cli("run", file, "--trials", 5, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
