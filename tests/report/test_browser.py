"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import chromium
from cotune.report import Subject
from pages import EVIL, TURNED, chosen, failing, search, two, written
from requirements import require

PAGES = {
    "many": lambda: written(search(200)),
    "evil": lambda: written(chosen(), subject=Subject(f"{EVIL}{TURNED}</script><script>alert(1)</script>", EVIL)),
    "failures": lambda: written(failing(), is_found=False),
    "two": lambda: written(two()),
}


@pytest.fixture(scope="module")
def tab() -> Iterator[chromium.Tab]:
    """One browser for all tests here."""
    require("chromium", chromium.installed())
    with chromium.tab() as opened:
        yield opened


@pytest.fixture(params=PAGES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / f"{request.param}.html"
    file.write_text(PAGES[request.param](), encoding="utf-8")
    return file.as_uri()


def test_the_console_is_silent_and_nothing_is_asked_for(tab: chromium.Tab, address: str) -> None:
    tab.requests.clear()
    tab.complaints.clear()
    tab.look()
    tab.open(address)
    assert tab.complaints == []
    assert [one for one in tab.requests if not one.startswith("data:")] == [address]
    assert tab.value("document.querySelectorAll('img').length") == 0


def test_the_style_sheet_applies_and_light_and_dark_differ(tab: chromium.Tab, address: str) -> None:
    pictures, grounds = [], []
    for scheme in ("light", "dark"):
        tab.look(scheme=scheme)
        tab.open(address)
        pictures.append(tab.screenshot())
        grounds.append(tab.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(20, 23, 26)"]
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_page_is_never_wider_than_the_window(tab: chromium.Tab, address: str, width: int) -> None:
    tab.look(width=width)
    tab.open(address)
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_the_button_is_there_with_scripts_and_copies_the_configuration(tab: chromium.Tab, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(written(search(40)), encoding="utf-8")
    tab.open(file.as_uri())
    assert tab.value("document.querySelector('button').offsetParent !== null")
    tab.value("document.querySelector('button').click()")
    assert tab.value("getSelection().toString().trim()") == tab.value(
        "document.getElementById('best-config').textContent.trim()"
    )


def test_on_paper_there_are_pages_and_no_buttons(tab: chromium.Tab, address: str) -> None:
    tab.open(address)
    assert tab.printed().startswith(b"%PDF")
    tab.call("Emulation.setEmulatedMedia", media="print")
    hidden = "[...document.querySelectorAll('button, nav, details')].every(e => getComputedStyle(e).display === 'none')"
    assert tab.value(hidden)
    tab.call("Emulation.setEmulatedMedia", media="")


def test_every_picture_and_region_has_a_name_for_screen_readers(tab: chromium.Tab, address: str) -> None:
    tab.open(address)
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    roles = {role for role, _ in named}
    assert {"heading", "navigation", "main", "region"} <= roles
    assert all(name for role, name in named if role in ("image", "img", "region", "heading", "link", "button"))


def test_a_thousand_trials_cost_the_browser_at_most_a_second_and_a_half(tab: chromium.Tab, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(written(search(1000)), encoding="utf-8")
    tab.look()
    tab.open("about:blank")
    before = tab.cpu_seconds()
    tab.open(file.as_uri())
    assert tab.cpu_seconds() - before <= 1.5
