"""How a search that was run from the command line ends, and what commands ask of a study."""

from __future__ import annotations

from cotune.cli import wording
from cotune.cli.layout import print_facts
from cotune.cli.mistake import Mistake
from cotune.errors import NoResult
from cotune.printable import printable
from cotune.study import Study


def print_outcome(study: Study) -> None:
    """How far the study came, and its winners."""
    print_facts(wording.title(study), wording.progress(study))
    print_winners(study)


def print_winners(study: Study) -> None:
    """The best trial, or with several objectives the trials of the front, with their configurations."""
    what = "best" if len(study.objectives) == 1 else "front"
    for winner in [study.best] if study.front and what == "best" else study.front:
        print_facts(
            f"{what}: trial {winner.number}, {wording.scores(winner.metrics, study)}",
            [(name, printable(repr(value))) for name, value in winner.config.items()],
        )


def require_result(study: Study) -> None:
    """Raise NoResult, naming the last failure, if no trial has a result."""
    if study.front:
        return
    failed = [trial for trial in study.trials if trial.failure]
    if not failed or failed[-1].failure is None:
        raise NoResult(f"no trial has a result yet ({study.trials!r})")
    where = f"\nSee more with: cotune show {study.path} {failed[-1].number}" if study.path else ""
    raise NoResult(
        f"{len(failed)} trials failed and none has a result. Trial {failed[-1].number}: "
        f"{failed[-1].failure.reason}{where}"
    )


def require_trial(study: Study, number: int) -> None:
    """Raise Mistake if the study has no trial of that number."""
    if number >= len(study.trials):
        raise Mistake(f"there is no trial {number}; the study has {len(study.trials)} trials, counted from 0")
