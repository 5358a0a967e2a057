"""A log in one SQLite file, for any number of processes of one host."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

from cotune.errors import FormatError, StorageError
from cotune.records import FORMAT, Event, from_json, to_json
from cotune.storage.locks import FileLock, WorkerLock, living
from cotune.storage.storage import CHUNK

_APPLICATION_ID = 0x636F7475  # "cotu"
_SCHEMA = (
    "create table if not exists event ("
    "position integer primary key, number integer, is_decision integer not null, body text not null) strict"
)
_READ = "select body from event where position > ? order by position limit ?"
_BUSY_S = 60.0
_NETWORK_FILESYSTEMS = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"),
    ]
)
_inherited: list[sqlite3.Connection] = []  # a forked child must neither use nor close its parent's connections

Durability = Literal["process", "power"]


class SqliteStorage:
    """The log `study.db` in a study's folder, with the folder's locks.

    What `append` acknowledged survives the death of any process; with `durability="power"` also a power cut (each
    append then waits for the disk), which the default leaves to the operating system. The file stays whole either way.
    """

    def __init__(self, folder: Path, *, durability: Durability = "process") -> None:
        """folder: the study's folder; made at the first append. Raises StorageError on a network filesystem."""
        self.folder = folder
        self._durability = durability
        self._lock: WorkerLock | None = None
        self._database: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._decision_lock = FileLock(folder / "deciding.lock")

    @property
    def worker(self) -> str:
        self._leave_parent()
        if self._lock is None:
            folder = self.folder / "workers"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"
            self._lock = WorkerLock(folder, name.replace("/", "_"))
        return self._lock.name

    def read(self, after: int) -> list[Event]:
        if self._database is None and not (self.folder / "study.db").exists():
            return []
        with self._explained():
            rows = self._open().execute(_READ, (after, CHUNK))
            return from_json([body for (body,) in rows])

    def append(self, events: Sequence[Event], after: int) -> bool:
        rows = [(event.number, event.is_decision, to_json(event)) for event in events]
        with self._explained(), self._transaction() as database:
            if _conflicts(database, events, after):
                return False
            database.executemany("insert into event (number, is_decision, body) values (?, ?, ?)", rows)
        return True

    def alive(self) -> frozenset[str]:
        return living(self.folder / "workers")

    def deciding(self) -> AbstractContextManager[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self._decision_lock.held()

    def close(self) -> None:
        self._leave_parent()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._database is not None:
            self._database.close()
            self._database = None

    def _leave_parent(self) -> None:
        """In a forked child: start anew, as a worker of its own."""
        if self._process != os.getpid():
            self._process = os.getpid()
            if self._database is not None:
                _inherited.append(self._database)
            self._database = self._lock = None

    def _open(self) -> sqlite3.Connection:
        self._leave_parent()
        if self._database is None:
            _refuse_network(self.folder)
            self._database = self._connect()
        return self._database

    def _connect(self) -> sqlite3.Connection:
        path = self.folder / "study.db"
        if path.exists() and not os.access(self.folder, os.W_OK):
            database = _read_only(path)
            _require_ours(database, path)
            return database
        self.folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with FileLock(self.folder / "opening.lock").held():
                _require_ours(database, path)
                _prepare(database)
            database.execute(f"pragma synchronous = {'full' if self._durability == 'power' else 'normal'}")
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._open()
        database.execute("begin immediate")
        try:
            yield database
            database.execute("commit")
        finally:
            if database.in_transaction:
                database.execute("rollback")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, naming the file, the cause and the space left."""
        try:
            yield
        except (sqlite3.DatabaseError, PermissionError) as error:
            raise StorageError(
                f"cannot use {self.folder / 'study.db'}: {error}. {_free(self.folder)}. "
                "What was acknowledged is safe; mend the cause and run the same line again."
            ) from error


def _require_ours(database: sqlite3.Connection, path: Path) -> None:
    """Raise FormatError for another program's file, or for one of a newer cotune; an empty file is fine."""
    (application,) = database.execute("pragma application_id").fetchone()
    (version,) = database.execute("pragma user_version").fetchone()
    if _n_tables(database) and application != _APPLICATION_ID:
        raise FormatError(f"{path} is an SQLite file, but not a cotune study; choose another path")
    if version > FORMAT:
        raise FormatError(f"{path} has format {version}, this cotune reads up to {FORMAT}; update cotune to open it")


def _prepare(database: sqlite3.Connection) -> None:
    """Make a new file ours."""
    database.execute("pragma journal_mode = wal")
    if not _n_tables(database):
        database.execute("begin immediate")
        database.execute(f"pragma application_id = {_APPLICATION_ID}")
        database.execute(f"pragma user_version = {FORMAT}")
        database.execute(_SCHEMA)
        database.execute("commit")


def _n_tables(database: sqlite3.Connection) -> int:
    (tables,) = database.execute("select count(*) from sqlite_schema").fetchone()
    return int(tables)


def _read_only(path: Path) -> sqlite3.Connection:
    """A study in a folder that cannot be written; `immutable` because a write-ahead log cannot be made there."""
    immutable = "" if path.with_name("study.db-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{immutable}", uri=True, check_same_thread=False)


def _conflicts(database: sqlite3.Connection, events: Sequence[Event], after: int) -> bool:
    """`storage.conflict` asked of the table, without reading the bodies."""
    rows = database.execute("select number, is_decision from event where position > ?", (after,)).fetchall()
    numbers = {event.number for event in events if event.number is not None}
    deciding = any(event.is_decision for event in events)
    return any((deciding and is_decision) or number in numbers for number, is_decision in rows)


def _free(folder: Path) -> str:
    try:
        return f"Free space there: {shutil.disk_usage(folder).free / 2**20:.1f} MiB"
    except OSError:
        return "The folder cannot be read"


def _refuse_network(folder: Path) -> None:
    kind = _filesystem(folder)
    if kind in _NETWORK_FILESYSTEMS:
        raise StorageError(
            f"{folder} lies on a network filesystem ({kind}), where SQLite's locks cannot be trusted. "
            "Choose a path on a local disk."
        )


def _filesystem(folder: Path) -> str:
    """Type of the filesystem that holds the folder, as the kernel names it; "" where that cannot be told."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind, target = "", "", f"{folder.absolute()}/"
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        if target.startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind
