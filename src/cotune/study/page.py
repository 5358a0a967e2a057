"""The page about a study, written to a file at once or not at all."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

from cotune.errors import StorageError
from cotune.explain.insights import insight
from cotune.records import History
from cotune.report import Subject, page
from cotune.study.stopping import Stopping, end_in_words


def write_page(history: History, folder: Path | None, file: Path) -> Path:
    """Write what the history tells to `file`; folder: the study's own. Returns the file's absolute path.

    Raises StorageError if the file cannot be written.
    """
    subject = Subject(
        name=folder.absolute().name if folder else "Study",
        command=shlex.quote(str(folder)) if folder else None,
        ended=end_in_words(history, Stopping.from_json(history.settings.get("stopping"))),
    )
    text = page(history, subject, {objective: insight(history, objective) for objective in history.objectives})
    try:
        _replace(file, text.encode())
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror or error}") from error
    return file.absolute()


def _replace(file: Path, content: bytes) -> None:
    """Put the content in the file's place when it is whole; a page that is there stays if anything fails."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
