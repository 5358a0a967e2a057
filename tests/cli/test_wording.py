from __future__ import annotations

import math

import hypothesis.strategies as st
from hypothesis import example, given

from cotune.cli.documents import as_text
from cotune.cli.wording import sparkline


@given(st.lists(st.floats(), max_size=200))
def test_a_sparkline_has_a_character_per_value_up_to_sixty(values):
    line = sparkline(values)
    assert len(line) == min(len(values), 60)
    assert set(line) <= set(" ▁▂▃▄▅▆▇█")


@example([0.0, 5e-324])
@example([-1.7e308, 1.7e308])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=60))
def test_a_sparkline_is_lowest_at_the_minimum_and_highest_at_the_maximum(values):
    line = sparkline(values)
    assert line[values.index(min(values))] == "▁"
    assert line[values.index(max(values))] == ("█" if max(values) > min(values) else "▁")


def test_json_has_null_for_what_is_not_finite():
    assert as_text({"a": [math.nan, math.inf, 1.5], "b": (1, -math.inf)}).split() == [
        '{', '"a":', '[', 'null,', 'null,', '1.5', '],', '"b":', '[', '1,', 'null', ']', '}',
    ]  # fmt: skip
