from __future__ import annotations

import json

import pytest

from pages import words


def test_the_page_lands_in_the_studys_folder_and_its_path_is_printed(cli, told):
    result = cli("report", told)
    assert result.exit_code == 0
    assert result.stdout == f"{told / 'report.html'}\n"
    assert "The best of 4 trials is trial 1" in words((told / "report.html").read_text(encoding="utf-8"))


def test_the_page_may_land_elsewhere(cli, told, tmp_path):
    result = cli("report", told, "-o", tmp_path / "page.html")
    assert result.stdout == f"{tmp_path / 'page.html'}\n"
    assert (tmp_path / "page.html").exists() and not (told / "report.html").exists()


def test_json_tells_where_and_how_large(cli, told):
    document = json.loads(cli("report", told, "--json").stdout)
    assert document == {"path": str(told / "report.html"), "bytes": (told / "report.html").stat().st_size}


@pytest.mark.parametrize("study", ["empty", "failed", "two_objectives"])
def test_there_is_a_page_about_every_study(cli, study, request):
    folder = request.getfixturevalue(study)
    assert cli("report", folder).exit_code == 0
    assert (folder / "report.html").exists()


def test_what_would_clear_a_terminal_is_spelled_out(cli, failed):
    cli("report", failed)
    text = (failed / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in text and "\\x1b[2J\\x1b[31mred alert\\x07" in words(text)


def test_a_study_with_a_page_in_its_folder_is_read_and_goes_on(cli, told):
    cli("report", told)
    assert cli("status", told).exit_code == 0
    assert cli("report", told).exit_code == 0


@pytest.mark.parametrize("name", ["page.pdf", "missing/page.html"])
def test_a_file_that_cannot_be_written_is_a_mistake(cli, told, tmp_path, name):
    result = cli("report", told, "-o", tmp_path / name)
    assert result.exit_code == 2
    assert "Error:" in result.stderr and name in result.stderr


def test_no_study_is_a_mistake(cli, tmp_path):
    result = cli("report", tmp_path / "nothing")
    assert result.exit_code == 2 and "there is no study" in result.stderr
