from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cotune as ct
from builders import created, done, plane, started
from cotune.errors import FormatError, StorageError
from cotune.storage import SqliteStorage
from cotune.storage.sqlite import _filesystem, _refuse_network

CONFIG = {"x": 0.5, "n": 3}


def _python(code: str, *arguments: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, **options)


def _length(storage: SqliteStorage) -> int:
    n = 0
    while events := storage.read(n):
        n += len(events)
    return n


HOLD = """
import sys, time
from pathlib import Path
from cotune.storage import SqliteStorage
storage = SqliteStorage(Path(sys.argv[1]))
print(storage.worker, flush=True)
time.sleep(60)
"""

CREATE = """
import sys
from pathlib import Path
import cotune as ct
folder, gate = Path(sys.argv[1]), Path(sys.argv[2])
import cotune.study
while not gate.exists():
    pass
study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", path=folder, strategy="random")
trial = study.ask()
study.tell(trial, 1.0)
print(trial.number)
"""

READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from cotune.storage import SqliteStorage
if os.getuid() == 0:
    os.setuid(65534)
print(len(SqliteStorage(Path(sys.argv[1])).read(0)))
"""


def test_a_killed_worker_is_dead_at_once(tmp_path: Path) -> None:
    process = _python(HOLD, tmp_path)
    assert process.stdout is not None
    name = process.stdout.readline().decode().strip()
    storage = SqliteStorage(tmp_path)
    assert name in storage.alive()
    process.kill()
    process.communicate()
    assert name not in storage.alive()


def test_a_stopped_worker_still_lives(tmp_path: Path) -> None:
    process = _python(HOLD, tmp_path)
    assert process.stdout is not None
    name = process.stdout.readline().decode().strip()
    process.send_signal(signal.SIGSTOP)
    assert name in SqliteStorage(tmp_path).alive()
    process.kill()
    process.communicate()


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path: Path) -> None:
    fork = "import os\nchild = os.fork()\nif child:\n    print(child, flush=True)\nelse:\n    time.sleep(60)"
    code = HOLD.replace("time.sleep(60)", fork)
    process = _python(code, tmp_path)
    assert process.stdout is not None
    name, child = (process.stdout.readline().decode().strip() for _ in range(2))
    process.wait()
    assert name not in SqliteStorage(tmp_path).alive()
    process.stdout.close()
    os.kill(int(child), signal.SIGKILL)


def test_a_forked_child_is_a_worker_of_its_own(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.append([created(plane())], 0)
    mine = storage.worker
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        events = len(storage.read(0))
        os.write(writer, f"{storage.worker} {events} {mine in storage.alive()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    name, events, parent_lives = os.read(reader, 1000).decode().split()
    os.close(reader), os.close(writer)
    assert name != mine and events == "1" and parent_lives == "True"
    assert storage.alive() == {mine}
    storage.close()


def test_many_processes_may_open_a_new_study_at_once(tmp_path: Path) -> None:
    for round_ in range(3):
        gate, folder = tmp_path / f"gate{round_}", tmp_path / f"study{round_}"
        processes = [_python(CREATE, folder, gate, stderr=subprocess.PIPE) for _ in range(8)]
        time.sleep(0.5)
        gate.touch()
        results = [process.communicate() for process in processes]
        assert [error.decode() for _, error in results if error] == []
        assert sorted(int(out) for out, _ in results) == list(range(8))


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_a_log_waits_for_the_disk_where_a_power_cut_must_lose_nothing(
    durability: str, level: int, tmp_path: Path
) -> None:
    study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="value", path=tmp_path, durability=durability)
    assert study._log.storage._open().execute("pragma synchronous").fetchone() == (level,)


def test_a_newer_file_is_refused_and_not_altered(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.append([created(plane())], 0)
    storage.close()
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("pragma user_version = 99")
    database.close()
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(FormatError, match="format 99"):
        SqliteStorage(tmp_path).read(0)
    assert (tmp_path / "study.db").read_bytes() == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("create table recipe (name text)")
    database.close()
    with pytest.raises(FormatError, match="not a cotune study"):
        SqliteStorage(tmp_path).read(0)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"hello, I am a text file" * 100)
    with pytest.raises(StorageError, match="not a database"):
        SqliteStorage(tmp_path).read(0)


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.append([created(plane()), started(0, CONFIG)], 0)
    storage.close()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o555)
    command = [sys.executable, "-c", READ_AS_NOBODY, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)
    assert result.stdout.strip() == "2", result.stderr


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.append([created(plane())], 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    written = 0
    try:
        with pytest.raises(StorageError, match=r"study\.db.*Free space"):
            for number in range(10_000):
                assert storage.append([started(number, CONFIG), done(number, 1.0)], 1 + 2 * written)
                written += 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert written > 10
    assert _length(storage) == 1 + 2 * written
    assert storage.append([started(written, CONFIG)], 1 + 2 * written)
    storage.close()
    assert _length(SqliteStorage(tmp_path)) == 2 + 2 * written


def test_a_log_cut_at_any_place_keeps_what_comes_before_the_cut(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "whole")
    storage.append([created(plane())], 0)
    for number in range(5):
        storage.append([started(number, CONFIG), done(number, 1.0)], 1 + 2 * number)
    whole = storage.read(0)
    files = {name: (tmp_path / "whole" / name).read_bytes() for name in ("study.db", "study.db-wal")}
    storage.close()
    wal = files["study.db-wal"]
    for i, size in enumerate([*range(0, len(wal), 997), len(wal)]):
        folder = tmp_path / f"cut{i}"
        folder.mkdir()
        (folder / "study.db").write_bytes(files["study.db"])
        (folder / "study.db-wal").write_bytes(wal[:size])
        torn = SqliteStorage(folder)
        events = torn.read(0)
        assert events == whole[: len(events)]
        assert torn.append([created(plane())], len(events)) and len(torn.read(0)) == len(events) + 1
        torn.close()
    assert len(events) == len(whole)


def test_the_filesystem_of_a_folder_is_told(tmp_path: Path) -> None:
    assert _filesystem(Path("/proc/self")) == "proc"
    assert _filesystem(tmp_path) not in ("", "proc")


def test_a_network_filesystem_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cotune.storage.sqlite._filesystem", lambda folder: "nfs4")
    with pytest.raises(StorageError, match=r"network filesystem \(nfs4\).*local disk"):
        _refuse_network(tmp_path)
