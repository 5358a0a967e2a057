"""The machine that a study runs on, as far as results may depend on it."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cotune

DRIVER = Path("/proc/driver/nvidia")
"""Where NVIDIA's driver says what it drives, without a CUDA context in the process that asks."""


def machine(driver: Path = DRIVER) -> dict[str, Any]:
    """What results may depend on besides the log: versions, hardware and threads. Nothing of the environment."""
    return {
        "cotune": cotune.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "gpus": torch.cuda.device_count(),
        "gpu": ", ".join(_models(driver)) or None,
        "driver": _version(driver),
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
    }


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (then, now) of what was recorded of the machine when the study was begun and is another now."""
    return {name: (then[name], value) for name, value in now.items() if then.get(name, value) != value}


def told(differences: Mapping[str, tuple[Any, Any]]) -> str:
    """What `changed` found, in words; empty for nothing."""
    if not differences:
        return ""
    names = ", ".join(f"{name} {then} then, {now} now" for name, (then, now) in differences.items())
    return f"the machine has changed ({names}); results may differ in their last bits from what they would have been"


def _models(driver: Path) -> list[str]:
    """The kinds of GPU of this machine, each once, by name."""
    found = (re.search(r"^Model:\s*(.+?)\s*$", _read(file), re.M) for file in driver.glob("gpus/*/information"))
    return sorted({match[1] for match in found if match})


def _version(driver: Path) -> str | None:
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", _read(driver / "version"))
    return found[0] if found else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
