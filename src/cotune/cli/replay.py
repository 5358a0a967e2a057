"""`cotune replay`."""

from __future__ import annotations

from dataclasses import asdict

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json
from cotune.cli.layout import print_facts
from cotune.cli.outcome import require_trial
from cotune.cli.user_file import study_in
from cotune.printable import printable
from cotune.spelled import counted, shown


@click.command
@click.argument("target", metavar="FILE.py[:NAME]")
@click.argument("number", metavar="TRIAL", type=click.IntRange(min=0))
@as_json
def replay(target: str, number: int, *, is_json: bool) -> None:
    """Train one trial again and compare it with what is recorded.

    NAME is the study's variable in the file, `study` if left out. Nothing is written. Ends with exit code 1 if anything
    is not the same to the last bit.
    """
    with study_in(target) as study:
        require_trial(study, number)
        found = study.replay(number)
    if is_json:
        documents.print_json({**asdict(found), "is_same": found.is_same})
    else:
        what = "the same to the last bit" if found.is_same else "not the same"
        deviations = [
            (printable(one.metric), f"{one.recorded!r} then, {one.replayed!r} now, first at step {one.step}")
            for one in found.deviations
        ]
        machine = [
            (name, printable(f"{shown(then)} then, {shown(now)} now")) for name, (then, now) in found.machine.items()
        ]
        print_facts(f"trial {number}: {what}, over {counted(found.steps, 'step')}", [*deviations, *machine])
    if not found.is_same:
        raise SystemExit(1)
