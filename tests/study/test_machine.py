"""What is recorded of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from cotune.study.machine import changed, machine, told


def test_gpus_and_their_driver_are_named_without_asking_cuda(tmp_path: Path) -> None:
    for at, model in enumerate(["NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3", "Tesla T4"]):
        folder = tmp_path / "gpus" / f"0000:0{at}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 27\n", encoding="utf-8")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.12  Wed Sep 20\n")
    found = machine(tmp_path)
    assert found["gpu"] == "NVIDIA H100 80GB HBM3, Tesla T4" and found["driver"] == "535.104.12"
    assert not torch.cuda.is_initialized()


def test_a_machine_without_gpus_is_recorded_too(tmp_path: Path) -> None:
    found = machine(tmp_path / "no such folder")
    assert found["gpu"] is None and found["driver"] is None
    assert json.loads(json.dumps(found)) == found


def test_what_has_changed_is_told_and_what_was_not_recorded_is_not() -> None:
    differences = changed({"torch": "2.12", "gpus": 1}, {"torch": "2.13", "gpus": 1, "driver": "535.1"})
    assert differences == {"torch": ("2.12", "2.13")}
    assert "torch 2.12 then, 2.13 now" in told(differences)
    assert told({}) == ""
