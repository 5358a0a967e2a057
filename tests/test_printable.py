from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from cotune.printable import printable, printable_lines


@given(st.text())
def test_what_is_printable_is_one_line_without_control_characters(text):
    assert printable(text).isprintable()


@given(st.text())
def test_lines_stay_lines_without_control_characters(text):
    lines = printable_lines(text)
    assert all(c.isprintable() or c == "\n" for c in lines)
    assert len(lines.split("\n")) == max(1, len(text.splitlines()))


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_left_alone(text):
    assert printable(text) == text


def test_direction_marks_and_lone_surrogates_are_dropped():
    assert printable("a\u202eb\ud800c\x9b31m") == "abc31m"
