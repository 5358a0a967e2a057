"""What a machine may lack."""

from __future__ import annotations

import os

import pytest


def require(thing: str, found: object) -> None:
    """Skip the test where `thing` was not found; with COTUNE_REQUIRE=all, as in CI, fail it."""
    if found:
        return
    if os.environ.get("COTUNE_REQUIRE") == "all":
        pytest.fail(f"{thing} is missing, and nothing may be skipped here")
    pytest.skip(f"{thing} is missing")
