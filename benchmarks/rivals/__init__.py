"""Other libraries, each in a virtual environment of its own, asked over a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def python_of(name: str) -> Path:
    """The interpreter of a rival's environment, made from its requirements.txt if it is not there."""
    environment = FOLDER / name / ".venv"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        requirements = FOLDER / name / "requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
    return python


def ask(name: str, question: str, **arguments: Any) -> Any:
    """What the rival's `answer.py` says to a question, as JSON."""
    command = [python_of(name), FOLDER / name / "answer.py", question, json.dumps(arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.strip().splitlines()[-1])
