"""Every error that cotune raises on purpose, as one tree.

CotuneError
├── SpaceError           a parameter, condition, rule or starting point that cannot be searched
├── ConfigError          a configuration that does not belong to its space
├── TaskError            data, model, loss, metric or training option that cannot be trained
├── StudyError           an argument of a study, or a study that is not what the caller says it is
│   └── StudyStopped     the first trials all failed alike, so the search ended
├── ReportError          a metric or a result that is not a number we can use
├── NoResult             asked for the best of a study that has none
├── LeaseLost            another worker owns this trial now; nothing was changed
├── StorageError         the study's files cannot be read or written
│   └── FormatError      the files were written by a newer cotune, or are not a study
└── MissingPackage       an optional package is needed for this

Outside the tree, because `except Exception` must not catch them:
Paused (BaseException)       a user's function is left at a milestone and continues later
Interrupted (SystemExit)     the search was ended by SIGINT or SIGTERM; exit code 130 or 143
"""

from __future__ import annotations


class CotuneError(Exception):
    """Root of all errors that cotune raises on purpose."""


class SpaceError(CotuneError, ValueError):
    """A parameter, condition, rule or starting point cannot be searched."""


class ConfigError(CotuneError, ValueError):
    """A configuration does not belong to its space."""


class TaskError(CotuneError, ValueError):
    """Data, model, loss, metric or a training option cannot be trained."""


class StudyError(CotuneError, ValueError):
    """An argument of a study is wrong, or the study at a path is another one."""


class StudyStopped(StudyError):
    """The first trials all failed alike: the search ended instead of burning its budget."""


class ReportError(CotuneError, ValueError):
    """A reported metric or a returned result is not a real number."""


class NoResult(CotuneError, LookupError):
    """The study has no finished trial to take a best from."""


class LeaseLost(CotuneError, RuntimeError):
    """Another worker owns this trial, or it has an outcome already; nothing was changed."""


class StorageError(CotuneError, OSError):
    """The study's files cannot be read or written."""


class FormatError(StorageError):
    """The files were written by a newer cotune, or are not a study."""


class MissingPackage(CotuneError, ImportError):
    """An optional package is needed; the message says what to install."""


class Paused(BaseException):
    """Leaves a user's function at a milestone; its trial continues from the checkpoint later."""


class Interrupted(SystemExit):
    """The search was ended by a signal; `code` is 128 plus the signal's number."""
