from __future__ import annotations

import csv
import io
import json


def test_every_trial_has_a_row_in_order(cli, told):
    result = cli("trials", told)
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [
        ["0", "done"], ["1", "done"], ["2", "done"], ["3", "failed"],
    ]  # fmt: skip


def test_an_empty_study_says_so(cli, empty):
    assert cli("trials", empty).stdout == "there are no trials yet\n"


def test_csv_has_a_header_and_a_line_per_trial(cli, told):
    rows = list(csv.DictReader(io.StringIO(cli("trials", told, "--csv").stdout)))
    assert [row["value"] for row in rows] == ["3.0", "1.0", "2.0", ""]
    assert rows[3]["failure"] == "reported: the cable broke"


def test_csv_of_an_empty_study_is_a_header(cli, empty):
    assert cli("trials", empty, "--csv").stdout == "number,state,value,learning_rate,optimizer,seconds,failure\n"


def test_json_is_strict_and_nan_is_null(cli, failed, empty):
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    first, second = json.loads(cli("trials", failed, "--json").stdout, parse_constant=refuse)
    assert first["failure"]["cause"] == "reported"
    assert second["failure"]["cause"] == "diverged"
    assert json.loads(cli("trials", empty, "--json").stdout) == []


def test_csv_and_json_exclude_each_other(cli, told):
    result = cli("trials", told, "--csv", "--json")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr
