from __future__ import annotations

import ast
import json

import pytest


def test_what_is_printed_is_a_python_dict(cli, told):
    result = cli("best", told)
    assert result.exit_code == 0
    assert result.stdout.startswith("# trial 1: value 1\n")
    assert ast.literal_eval(result.stdout)["optimizer"] in ("sgd", "adam")


def test_all_of_a_front_are_printed(cli, two_objectives):
    result = cli("best", two_objectives)
    assert [line for line in result.stdout.splitlines() if line.startswith("#")] == [
        "# trial 0: accuracy 0.9, seconds 10",
        "# trial 2: accuracy 0.7, seconds 1",
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_result_the_exit_code_is_1(cli, empty, failed, options):
    for path in (empty, failed):
        result = cli("best", path, *options)
        assert result.exit_code == 1
        assert "no trial has a result yet" in result.stderr
        assert result.stdout == ""


def test_json_has_the_best_and_the_front(cli, told, two_objectives):
    one, two = (json.loads(cli("best", path, "--json").stdout) for path in (told, two_objectives))
    assert set(one) == set(two) == {"best", "front", "confirmation"}
    assert set(one["best"]) == {"number", "config", "metrics", "schedule"}
    assert one["best"]["schedule"] == {"epochs": 1, "stages": [{"from": 0, "config": one["best"]["config"]}]}
    assert two["best"] is None


def test_export_writes_the_configuration_and_metrics_as_json(cli, told, tmp_path):
    file = tmp_path / "best.json"
    assert cli("best", told, "--export", file).exit_code == 0
    document = json.loads(file.read_text())
    assert document["number"] == 1
    assert document["metrics"] == {"value": 1.0}


def test_export_without_saved_weights_says_how_to_save_them(cli, told, tmp_path):
    result = cli("best", told, "--export", tmp_path / "best.safetensors")
    assert result.exit_code == 1
    assert "trial.track(model=net)" in result.stderr


def test_export_of_another_kind_of_file_is_a_mistake(cli, told, tmp_path):
    result = cli("best", told, "--export", tmp_path / "best.pt")
    assert result.exit_code == 2
    assert ".json or .safetensors" in result.stderr


def test_export_to_a_missing_folder_is_a_mistake(cli, told, tmp_path):
    result = cli("best", told, "--export", tmp_path / "missing" / "best.json")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_export_of_a_front_is_a_mistake(cli, two_objectives, tmp_path):
    result = cli("best", two_objectives, "--export", tmp_path / "best.json")
    assert result.exit_code == 2
    assert not (tmp_path / "best.json").exists()
