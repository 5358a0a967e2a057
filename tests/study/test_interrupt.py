"""The first SIGINT or SIGTERM ends a search in good order within seconds; the second ends it at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cotune as ct
from cotune.records import State

pytestmark = pytest.mark.xdist_group("processes")

PROGRAM = """
import sys, time, hashlib
import cotune as ct

def epochs(trial):
    for epoch in trial.epochs():
        print("running", flush=True)
        time.sleep(0.3)
        trial.report(value=float(epoch))

def sleeps(trial):
    print("running", flush=True)
    time.sleep(60)
    return 1.0

def swallows(trial):
    print("running", flush=True)
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass

def computes(trial):
    print("running", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)
    return 1.0

study = ct.Study(globals()[sys.argv[1]], {"x": (0.0, 1.0)}, path=sys.argv[2], strategy="random", epochs=50)
study.optimize(trials=3)
print("not reached", flush=True)
"""


def run(kind: str, folder: Path, *signals: signal.Signals, program: str = PROGRAM) -> tuple[int, float, str, str]:
    """Exit code, seconds from the first signal to the end, standard output and error."""
    command = [sys.executable, "-W", "ignore", "-c", program, kind, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    time.sleep(0.1)
    begun = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    out, err = process.communicate(timeout=30)
    return process.returncode, time.monotonic() - begun, out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_the_search_at_the_epochs_end(number: signal.Signals, code: int, tmp_path: Path) -> None:
    returncode, seconds, out, err = run("epochs", tmp_path, number)
    assert returncode == code and seconds < 3
    assert "not reached" not in out and "Traceback" not in err
    assert "Resume with the same line" in err and str(tmp_path) in err
    with ct.Study.open(tmp_path) as study:
        assert [trial.state for trial in study.trials] == [State.WAITING]
        assert study.trials[0].attempts == 0


@pytest.mark.parametrize("kind", ["sleeps", "swallows"])
def test_a_trial_without_an_epochs_end_is_left_within_five_seconds(kind: str, tmp_path: Path) -> None:
    returncode, seconds, _, err = run(kind, tmp_path, signal.SIGINT)
    assert returncode == 130 and seconds < 6 and "Resume" in err and "Traceback" not in err
    with ct.Study.open(tmp_path) as study:
        assert [trial.state for trial in study.trials] == [State.WAITING]


def test_code_that_does_not_return_to_python_is_ended_with_the_process(tmp_path: Path) -> None:
    returncode, seconds, _, err = run("computes", tmp_path, signal.SIGTERM)
    assert returncode == 143 and seconds < 6 and "Resume" in err
    assert ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path, strategy="random").ask().number == 0


def test_the_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    returncode, seconds, _, _ = run("sleeps", tmp_path, signal.SIGINT, signal.SIGINT)
    assert returncode == -signal.SIGINT and seconds < 2
    assert ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path, strategy="random").ask().number == 0


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    ct.minimize(lambda c: c.x, {"x": (0.0, 1.0)}, trials=3)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_search_in_another_thread_leaves_signals_alone() -> None:
    import threading

    results = []
    thread = threading.Thread(target=lambda: results.append(ct.minimize(lambda c: c.x, {"x": (0.0, 1.0)}, trials=3)))
    thread.start()
    thread.join()
    assert len(results[0].trials) == 3


CONFIRMED = """
import sys, time
import cotune as ct

def train(trial):
    if is_slow:
        print("running", flush=True)
        time.sleep(1.0)
    return trial.config.x

is_slow = False
study = ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", path=sys.argv[2], strategy="random")
study.optimize(trials=3, progress=False)
is_slow = True
study.confirm(top=2, seeds=4)
print("not reached", flush=True)
"""


def test_a_signal_ends_a_confirmation_as_it_ends_a_search(tmp_path: Path) -> None:
    returncode, seconds, out, err = run("confirm", tmp_path, signal.SIGTERM, program=CONFIRMED)
    assert returncode == 143 and seconds < 5 and "not reached" not in out
    assert "what was trained is kept" in err
