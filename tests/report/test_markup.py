from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from cotune.report.markup import Markup, lines, spelled_number, tag, together, visible


@given(st.text())
def test_any_text_comes_back_visible_from_between_tags_and_from_attributes(text: str) -> None:
    element = ET.fromstring(tag("p", text, title=text).text)
    assert (element.text or "") == visible(text)
    assert element.get("title") == visible(text)


@given(st.text())
def test_what_is_visible_prints_and_can_be_written_to_a_file(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    shown.encode()


def test_marks_that_turn_the_direction_are_spelled_out() -> None:
    assert visible("a\u202eb\u2066c\x1b[2J\n") == "a\\u202eb\\u2066c\\x1b[2J\\n"


def test_letters_of_right_to_left_scripts_stay_as_they_are() -> None:
    assert visible("שלום") == "שלום"


def test_markup_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "<"), " & ").text == "<p><b>&lt;</b> &amp; </p>"


def test_names_of_attributes_are_those_of_html() -> None:
    assert tag("p", class_="a", aria_label="b", data_copy=None, viewBox="0 0 1 1").text == (
        '<p class="a" aria-label="b" viewBox="0 0 1 1"></p>'
    )


def test_numbers_have_at_most_one_decimal() -> None:
    assert [spelled_number(x) for x in (12.04, -0.04, 0.16, 300)] == ["12", "0", "0.2", "300"]


def test_nothing_is_left_out() -> None:
    assert together([None, "a", 3, Markup("<br/>")]).text == "a3<br/>"


def test_several_lines_keep_their_indentation() -> None:
    assert lines("a:\n\tb < c").text == "a:\n    b &lt; c"
