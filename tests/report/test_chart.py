from __future__ import annotations

import math

from cotune.report import chart


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    drawn = chart.line([(0, 0), (1, 1), (2, math.nan), (3, 3), (4, 4)], kind="curve").text
    assert 'd="M0 0L1 1M3 3L4 4"' in drawn


def test_stairs_go_level_and_then_up_or_down() -> None:
    assert 'd="M0 5H2V3H9"' in chart.stairs([(0, 5), (2, 3)], 9, kind="record").text
    assert chart.stairs([], 9, kind="record").text == ""


def test_a_band_closes_over_both_lines() -> None:
    assert 'd="M0 5L1 6L1 2L0 1Z"' in chart.band([0, 1], [1, 2], [5, 6], kind="band").text


def test_a_drawing_says_what_it_shows() -> None:
    drawn = chart.drawing(chart.WIDE, label='a "b" <c>').text
    assert 'role="img"' in drawn and 'aria-label="a &quot;b&quot; &lt;c&gt;"' in drawn
