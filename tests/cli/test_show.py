from __future__ import annotations

import json

import pytest

import cotune as ct
from cotune.records import Reported


def test_a_study_is_shown_with_its_space_settings_and_best(cli, told):
    result = cli("show", told)
    assert result.exit_code == 0
    assert "Float(0.0001, 0.1, log=True)" in result.stdout
    assert "seed  7" in result.stdout
    assert "best: trial 1, value 1" in result.stdout


def test_an_empty_study_is_shown_without_a_best(cli, empty):
    result = cli("show", empty)
    assert result.exit_code == 0
    assert "best" not in result.stdout


def test_each_trial_of_the_front_is_shown(cli, two_objectives):
    result = cli("show", two_objectives)
    assert "front: trial 0" in result.stdout
    assert "front: trial 2" in result.stdout
    assert "front: trial 1" not in result.stdout


def test_a_trial_is_shown_with_why_it_was_proposed(cli, told):
    result = cli("show", told, 1)
    assert result.exit_code == 0
    assert "trial 1: done" in result.stdout
    assert "proposed by random" in result.stdout
    assert "learning_rate" in result.stdout


def test_an_enqueued_trial_was_enqueued_by_hand(cli, tmp_path):
    with ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path / "s") as study:
        study.enqueue({"x": 0.5})
    assert "enqueued by hand" in cli("show", tmp_path / "s", 0).stdout


def test_a_failed_trial_is_shown_with_its_reason(cli, told):
    result = cli("show", told, 3)
    assert result.exit_code == 0
    assert "the user told the study that it failed: the cable broke" in result.stdout


def test_a_trials_curve_is_drawn(cli, tmp_path):
    with ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path / "s", epochs=3) as study:
        trial = study.ask()
        study._log.record([Reported(trial.number, trial.epoch, [1, 2, 3], {"value": [3.0, 2.0, 1.0]})])
        study.tell(trial, 1.0)
    assert "█▄▁  3 to 1" in cli("show", tmp_path / "s", 0).stdout


def test_a_number_beyond_the_last_trial_is_a_mistake(cli, told):
    result = cli("show", told, 4)
    assert result.exit_code == 2
    assert "there is no trial 4; the study has 4 trials" in result.stderr


@pytest.mark.parametrize("number", ["one", "-1", "1.5"])
def test_what_is_no_number_of_a_trial_is_a_mistake(cli, told, number):
    assert cli("show", told, "--", number).exit_code == 2


def test_json_of_a_trial_has_the_documented_shape(cli, told):
    document = json.loads(cli("show", told, 3, "--json").stdout)
    assert set(document) == {
        "number", "config", "metrics", "state", "steps", "curve", "seconds", "attempts", "task", "parent", "decision",
        "failure",
    }  # fmt: skip
    assert document["failure"] == {"cause": "reported", "reason": "the cable broke", "traceback": ""}


def test_json_of_a_study_has_its_space(cli, told):
    document = json.loads(cli("show", told, "--json").stdout)
    assert [entry["name"] for entry in document["space"]["parameters"]] == ["learning_rate", "optimizer"]
