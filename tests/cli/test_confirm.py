from __future__ import annotations

import json

import pytest

FILE = """
import cotune as ct

def train(trial):
    return (trial.config.x - 0.3) ** 2 + 0.01 * (trial.seed % 100) / 100

study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="value", path="runs", strategy="random")
"""


@pytest.fixture
def file(tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "confirmed.py").write_text(FILE)
    assert cli("run", "confirmed.py", "--trials", "12").exit_code == 0
    return "confirmed.py"


def test_the_best_are_trained_again_and_told_line_by_line(cli, file):
    result = cli("confirm", file, "--top", "3", "--seeds", "4")
    assert result.exit_code == 0
    assert "is confirmed: value" in result.stdout and result.stdout.count("on new samples") == 4
    assert "optimism" in result.stdout and "default" in result.stdout


def test_the_best_is_the_confirmed_one_from_then_on(cli, file):
    document = json.loads(cli("confirm", file, "--top", "3", "--seeds", "4", "--json").stdout)
    best = cli("best", "runs")
    assert f"trial {document['chosen']}" in best.stdout.splitlines()[0] and "over 4 trainings" in best.stdout
    stored = json.loads(cli("best", "runs", "--json").stdout)
    assert stored["best"]["number"] == document["chosen"] and stored["confirmation"] == document


@pytest.mark.parametrize("options", [("--top", "0"), ("--seeds", "1"), ("--sedes", "3")])
def test_a_wrong_option_is_a_mistake(cli, file, options):
    assert cli("confirm", file, *options).exit_code == 2
