"""Other libraries, each in a virtual environment of its own, asked over a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
STRATEGIES = {
    "optuna-tpe": ("optuna", "tpe"),
    "optuna-gp": ("optuna", "gp"),
    "optuna-cmaes": ("optuna", "cmaes"),
    "nevergrad-ngopt": ("nevergrad", "ngopt"),
    "smac": ("smac", "smac"),
    "hebo": ("hebo", "hebo"),
    "botorch": ("botorch", "botorch"),
}
"""What they are called in results: library, and its strategy."""

ON_CURVES = {
    "optuna-hyperband": ("optuna", "hyperband"),
    "syne-tune-asha": ("syne_tune", "asha"),
    "syne-tune-cqr": ("syne_tune", "cqr"),
    "syne-tune-bohb": ("syne_tune", "bohb"),
}
"""The same of those that stop trials early."""

TOLD_THE_BUDGET = frozenset({"nevergrad-ngopt", "smac"})
LONGEST_ANSWER_S = 600.0
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}  # fmt: skip
"""For the environment of a process."""


def version_of(name: str) -> str:
    """The pinned version: the first line of no-deps.txt, or else of requirements.txt, names the library itself."""
    alone = FOLDER / name / "no-deps.txt"
    pins = alone if alone.exists() else FOLDER / name / "requirements.txt"
    return pins.read_text(encoding="utf-8").split("\n")[0].split("==")[1].strip()


def is_installed(name: str) -> bool:
    """Whether a rival's environment is there, made from its requirements.txt as that is now."""
    installed, wanted = FOLDER / name / ".venv" / "requirements.txt", FOLDER / name / "requirements.txt"
    return installed.exists() and installed.read_text(encoding="utf-8") == wanted.read_text(encoding="utf-8")


def python_of(name: str) -> Path:
    """The interpreter of a rival's environment, made from its requirements.txt when that is new or has changed.

    A file no-deps.txt beside it lists what is installed without its dependencies.
    """
    environment, requirements = FOLDER / name / ".venv", FOLDER / name / "requirements.txt"
    python = environment / "bin" / "python"
    if is_installed(name):
        return python
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", requirements], check=True)
    alone = FOLDER / name / "no-deps.txt"
    if alone.exists():
        subprocess.run([*pip, "--no-deps", "--requirement", alone], check=True)
    (environment / "requirements.txt").write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    return python


def ask(name: str, question: str, **arguments: Any) -> Any:
    """What the rival's `answer.py` says to a question, as JSON."""
    command = [python_of(name), "-m", f"benchmarks.rivals.{name}.answer", question, json.dumps(arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(result.stdout.strip().splitlines()[-1])


class Conversation:
    """A process that serves one search after another, as `lines.py` says; one thread, its log in a temporary file."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - open as long as it
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            cwd=ROOT, env={**os.environ, **ONE_THREAD}, start_new_session=True,
        )  # fmt: skip

    def say(self, **message: Any) -> Mapping[str, Any]:
        """Send a line and return the answer; RuntimeError with what went wrong over there."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        watch = threading.Timer(LONGEST_ANSWER_S, os.killpg, (self._process.pid, signal.SIGKILL))
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        answer: Mapping[str, Any] = (
            json.loads(line) if line else {"error": f"the process ended, or took more than {LONGEST_ANSWER_S} s"}
        )
        if "error" in answer:
            self._log.seek(0)
            raise RuntimeError(f"{answer['error']}\n{self._log.read()[-2000:]}")
        return answer

    def close(self) -> None:
        """Close the pipe, which ends the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def conversation(name: str, about: str = "searches") -> Conversation:
    """With a rival; about: `searches` of whole trials, or of learning `curves`."""
    return Conversation([python_of(name), "-m", f"benchmarks.rivals.{name}.answer", about, "{}"])
