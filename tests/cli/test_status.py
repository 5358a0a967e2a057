from __future__ import annotations

import json

import cotune as ct

KEYS = {
    "path", "objectives", "seed", "trials", "seconds", "settings", "workers", "best", "front", "confirmation", "ended",
    "failures",
}  # fmt: skip


def test_it_counts_the_trials_and_names_the_best(cli, told):
    result = cli("status", told)
    assert result.exit_code == 0
    assert "3 done, 1 failed" in result.stdout
    assert "trial 1: value 1" in result.stdout
    assert "none at work" in result.stdout


def test_an_empty_study_has_none_yet(cli, empty):
    result = cli("status", empty)
    assert result.exit_code == 0
    assert "none yet" in result.stdout
    assert "no trial has a result yet" in result.stdout


def test_only_failures_leave_no_best(cli, failed):
    result = cli("status", failed)
    assert result.exit_code == 0
    assert "2 failed" in result.stdout
    assert "no trial has a result yet" in result.stdout


def test_failures_of_one_kind_are_one_line(cli, tmp_path):
    def train(trial):
        if trial.number % 2:
            raise (KeyError if trial.number == 1 else ValueError)("no such\nlayer")
        return trial.config.x if trial.number else float("nan") * trial.config.x

    with ct.Study(train, {"x": (0.0, 1.0)}, minimize="value", path=tmp_path / "mixed", strategy="random") as study:
        study.optimize(trials=8, progress=False)
    lines = cli("status", tmp_path / "mixed").stdout
    assert "3 x error (ValueError), the last one is trial 7: ValueError: no such\n" in lines
    assert "1 x error (KeyError)" in lines and "1 x diverged, the last one is trial 0" in lines
    kinds = json.loads(cli("status", tmp_path / "mixed", "--json").stdout)["failures"]
    assert [kind["trials"] for kind in kinds] == [[3, 5, 7], [0], [1]]


def test_two_objectives_have_a_front(cli, two_objectives):
    result = cli("status", two_objectives)
    assert "maximize accuracy, minimize seconds" in result.stdout
    assert "2 on the front: trials 0, 2" in result.stdout


def test_it_says_what_auto_chose(cli, tmp_path):
    with ct.Study(None, {"n": (1, 3)}, path=tmp_path / "grid") as study:
        study.tell(study.ask(), 1.0)
    assert "chosen by auto" in cli("status", tmp_path / "grid").stdout


def test_a_process_that_asked_is_at_work(cli, tmp_path):
    with ct.Study(None, {"n": (1, 3)}, path=tmp_path / "busy") as study:
        study.ask()
        result = cli("status", tmp_path / "busy")
    assert "1 running" in result.stdout
    assert "1 at work" in result.stdout


def test_a_trial_of_a_dead_worker_waits_for_the_next_run(cli, tmp_path):
    with ct.Study(None, {"n": (1, 3)}, path=tmp_path / "left") as study:
        study.ask()
    assert "1 unfinished trial of dead workers" in cli("status", tmp_path / "left").stdout


def test_json_is_one_document_of_the_documented_shape(cli, told, empty, two_objectives):
    documents = [json.loads(cli("status", path, "--json").stdout) for path in (told, empty, two_objectives)]
    assert [set(document) for document in documents] == [KEYS] * 3
    first, second, third = documents
    assert first["trials"] == {
        "total": 4, "waiting": 0, "running": 0, "paused": 0, "done": 3, "failed": 1, "stopped": 0,
        "forks": 0,
    }  # fmt: skip
    assert first["best"]["number"] == 1
    assert second["best"] is None
    assert third["best"] is None
    assert [winner["number"] for winner in third["front"]] == [0, 2]


def test_what_auto_chose_is_told_by_the_status_and_not_again_among_the_settings(cli, tmp_path):
    with ct.Study(lambda trial: trial.config.x, {"x": (0.0, 1.0)}, path=tmp_path, minimize="value", epochs=9) as study:
        study.optimize(trials=8, progress=False)
    line = "scheduler  asha, chosen by auto: what is behind after a few epochs can wait"
    for command in ("status", "explain"):
        assert line in cli(command, tmp_path).stdout
    assert "scheduler" not in cli("show", tmp_path).stdout.split("settings")[1]
