"""Names of devices, and whether this machine has them.

Where nobody has chosen otherwise, MKL is told to compute the same bits wherever in memory a matrix lies; it reads that
before its first product.
"""

from __future__ import annotations

import difflib
import os

import torch

from cotune.errors import TaskError

os.environ.setdefault("MKL_CBWR", "AUTO")

_NAMES = ["auto", "cpu", "cuda", "mps", "xpu"]


def check_device(device: object) -> None:
    """TaskError unless `device` is "auto", a torch device or the name of one. It need not be on this machine."""
    if device == "auto" or isinstance(device, torch.device):
        return
    try:
        torch.device(str(device))
    except RuntimeError as error:
        near = ["cuda"] if "gpu" in str(device).lower() else difflib.get_close_matches(str(device), _NAMES, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Use 'auto', 'cpu' or 'cuda'."
        raise TaskError(f"device= does not name a torch device, got {device!r}. {hint}") from error


def present(device: str | torch.device) -> torch.device:
    """The torch device, "auto" being CUDA where it is. TaskError if this machine does not have it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    found = torch.device(device)
    try:
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without it
        reason = str(error).partition("\n")[0]
        raise TaskError(f"device={str(device)!r} is not on this machine ({reason}). Use 'auto' or 'cpu'.") from error
    return found
