from __future__ import annotations

import json

import pytest

FILE = """
import os
import cotune as ct

def train(trial):
    return trial.config.x + float(os.environ.get("DRIFT", 0))

study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="value", path="runs", strategy="random")
"""


@pytest.fixture
def file(tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replayed.py").write_text(FILE)
    assert cli("run", "replayed.py", "--trials", "2").exit_code == 0
    return "replayed.py"


def test_the_same_is_said_and_ends_well(cli, file):
    result = cli("replay", file, "1")
    assert result.exit_code == 0 and "trial 1: the same to the last bit" in result.stdout


def test_anything_else_is_shown_and_ends_with_1(cli, file, monkeypatch):
    monkeypatch.setenv("DRIFT", "0.25")
    result = cli("replay", file, "0")
    assert result.exit_code == 1 and "trial 0: not the same" in result.stdout and "first at step 1" in result.stdout
    document = json.loads(cli("replay", file, "0", "--json").stdout)
    assert document["is_same"] is False and document["deviations"][0]["metric"] == "value"


def test_a_trial_that_is_not_there_is_a_mistake(cli, file):
    result = cli("replay", file, "7")
    assert result.exit_code == 2 and "there is no trial 7" in result.stderr
