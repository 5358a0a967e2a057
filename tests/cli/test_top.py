from __future__ import annotations

import json

import pytest
import torch

import cotune as ct


def numbers(output: str) -> list[str]:
    """First column of the table."""
    return [line.split()[0] for line in output.splitlines()[1:]]


def test_the_best_trial_comes_first_and_failures_are_left_out(cli, told):
    result = cli("top", told)
    assert result.exit_code == 0
    assert numbers(result.stdout) == ["1", "2", "0"]


def test_a_maximised_objective_has_its_largest_value_first(cli, tmp_path):
    with ct.Study(None, {"x": (0.0, 1.0)}, maximize="value", path=tmp_path / "s") as study:
        for value in (1.0, 3.0, 2.0):
            study.tell(study.ask(), value)
    assert numbers(cli("top", tmp_path / "s").stdout) == ["1", "2", "0"]


def test_n_says_how_many(cli, told):
    assert numbers(cli("top", told, "-n", 2).stdout) == ["1", "2"]


@pytest.mark.parametrize("n", ["0", "-1", "few"])
def test_n_is_a_whole_number_above_0(cli, told, n):
    assert cli("top", told, "-n", n).exit_code == 2


def test_the_front_comes_first_and_is_marked(cli, two_objectives):
    assert numbers(cli("top", two_objectives).stdout) == ["0*", "2*", "1"]


def test_without_results_it_says_so(cli, empty, failed):
    for path in (empty, failed):
        result = cli("top", path)
        assert (result.exit_code, result.stdout) == (0, "no trial has a result yet\n")


def test_a_pipe_gets_every_column(cli, tmp_path):
    space = {f"a_parameter_with_a_long_name_{i}": (0.0, 1.0) for i in range(12)}
    with ct.Study(None, space, path=tmp_path / "wide") as study:
        study.tell(study.ask(), 1.0)
    header, row = cli("top", tmp_path / "wide").stdout.splitlines()
    assert header.split()[3:] == list(space)
    assert len(row.split()) == 15


def test_json_is_a_list_of_trials(cli, told, empty):
    assert [trial["number"] for trial in json.loads(cli("top", told, "--json").stdout)] == [1, 2, 0]
    assert json.loads(cli("top", empty, "--json").stdout) == []


def test_paused_trials_are_listed_while_none_is_done(cli, tmp_path):
    def train(trial):
        trial.track(own=torch.Generator())
        for _ in trial.epochs():
            trial.report(value=trial.config.x)

    with ct.Study(train, {"x": (0.0, 1.0)}, path=tmp_path, minimize="value", epochs=9, scheduler="asha") as study:
        study.optimize(total_epochs=3, progress=False)
        best = study.best.number
    lines = cli("top", tmp_path).stdout.splitlines()
    assert len(lines) == 4 and lines[1].split()[:2] == [str(best), "paused"]
