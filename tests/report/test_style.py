from __future__ import annotations

import re
from pathlib import Path

import pytest

import cotune.report

STYLE = Path(cotune.report.__file__).with_name("style.css").read_text(encoding="utf-8")


def schemes() -> dict[str, dict[str, str]]:
    """Colours by name, for light, dark and print, as the style sheet sets them."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.S)
    found = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]
    return dict(zip(("light", "dark", "print"), found, strict=True))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2.2 defines it, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_the_largest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
@pytest.mark.parametrize("ground", ["paper", "card", "code"])
def test_text_stands_out_from_its_ground(scheme: str, ground: str) -> None:
    colours = schemes()[scheme]
    assert all(contrast(colours[name], colours[ground]) >= 4.5 for name in ("ink", "soft", "best", "warm"))


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_marks_stand_out_from_their_ground(scheme: str) -> None:
    colours = schemes()[scheme]
    assert all(contrast(colours[name], colours["card"]) >= 3.0 for name in ("dot", "best", "warm"))


def test_all_schemes_set_the_same_colours() -> None:
    light, dark, on_paper = schemes().values()
    assert set(light) == set(dark) == set(on_paper)


def test_the_style_sheet_and_the_script_can_stand_in_markup() -> None:
    script = Path(cotune.report.__file__).with_name("script.js").read_text(encoding="utf-8")
    assert not {"<", "&"} & {*STYLE, *script}
