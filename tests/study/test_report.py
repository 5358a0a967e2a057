from __future__ import annotations

from pathlib import Path

import pytest

import cotune as ct
from pages import parsed, words


def told(path: Path | None = None) -> ct.Study:
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", path=path, strategy="random")
    for value in (3.0, 1.0, 2.0):
        study.tell(study.ask(), value)
    return study


def test_a_page_is_written_and_its_path_returned(tmp_path: Path) -> None:
    written = told().report(tmp_path / "page.html")
    assert written == tmp_path / "page.html"
    assert "The best of 3 trials is trial 1" in words(written.read_text(encoding="utf-8"))


def test_the_page_is_named_after_the_studys_folder(tmp_path: Path) -> None:
    with told(tmp_path / "digits 2") as study:
        text = study.report(str(tmp_path / "page.htm")).read_text(encoding="utf-8")
    assert parsed(text).find("body/header/h1").text == "digits 2"
    assert f"cotune best '{tmp_path / 'digits 2'}'" in words(text)


def test_a_study_opened_for_reading_writes_the_same_page(tmp_path: Path) -> None:
    with told(tmp_path / "s") as study:
        first = study.report(tmp_path / "a.html").read_bytes()
    with ct.Study.open(tmp_path / "s") as study:
        assert study.report(tmp_path / "b.html").read_bytes() == first


def test_a_page_that_is_there_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("old", encoding="utf-8")
    told().report(file)
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [file]


def test_a_page_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert told().report(tmp_path / "page.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_folder_that_is_not_there_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ct.errors.StorageError, match=r"cannot write .*missing/page.html: No such file"):
        told().report(tmp_path / "missing" / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_pages_place_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(ct.errors.StorageError, match="cannot write"):
        told().report(tmp_path / "page.html")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("name", ["page", "page.pdf", "0"])
def test_a_name_that_is_none_of_a_page_is_an_error(name: str) -> None:
    with pytest.raises(ct.errors.StudyError, match=r"give it a name that ends in \.html"):
        told().report(name)


@pytest.mark.parametrize("more", [{"step": 3}, {"value": 0.5}])
def test_a_page_takes_no_metrics(more: dict) -> None:
    with pytest.raises(ct.errors.ReportError, match=r"to report a trial, give it or its number"):
        told().report("page.html", **more)


def test_trials_are_reported_as_before() -> None:
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", epochs=2, strategy="random")
    trial = study.ask()
    assert study.report(trial, value=0.5) is True
    assert study.report(trial.number, step=2, value=0.25) is True
    assert study.trials[0].curve == {"value": [0.5, 0.25]}
