"""The Python code in the READMEs does what it says."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh.md")
LIMIT_S = 60.0


def blocks(readme: str) -> list[str]:
    """The Python blocks, each with as many empty lines before it that errors name the line of the README."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return ["\n" * text.count("\n", 0, match.start(1)) + match[1] for match in found]


def code(readme: str) -> list[str]:
    """The Python blocks without comments, so that two languages can be compared."""
    return [re.sub(r"\s*#.*$", "", block, flags=re.MULTILINE).strip() for block in blocks(readme)]


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """On a busy machine several threads would wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("readme", READMES)
def test_every_python_block_runs_in_order(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)
    begun = time.process_time()
    for block in blocks(readme):
        exec(compile(block, str(ROOT / readme), "exec"), module.__dict__)
    assert time.process_time() - begun < LIMIT_S


def test_both_languages_show_the_same_code() -> None:
    assert code("README.zh.md") == code("README.md")
    assert blocks("README.md")


def test_both_languages_have_the_same_headings() -> None:
    levels = [re.findall(r"^(#+) ", (ROOT / readme).read_text(encoding="utf-8"), re.MULTILINE) for readme in READMES]
    assert levels[0] == levels[1]
