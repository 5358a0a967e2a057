"""`cotune confirm`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json
from cotune.cli.layout import print_facts
from cotune.cli.user_file import study_in
from cotune.explain.confirmation import Candidate, Confirmation
from cotune.printable import printable
from cotune.spelled import shown


@click.command
@click.argument("target", metavar="FILE.py[:NAME]")
@click.option("--top", metavar="N", type=click.IntRange(min=1), default=5, help="So many of the best trials (5).")
@click.option("--seeds", metavar="N", type=click.IntRange(min=2), default=5, help="So many trainings of each (5).")
@as_json
def confirm(target: str, top: int, seeds: int, *, is_json: bool) -> None:
    """Train the best trials again, and say how good they really are.

    On validation samples and seeds that the search did not use; the space's default configuration beside them.

    NAME is the study's variable in the file, `study` if left out. The same line again goes on where it was left.
    """
    with study_in(target) as study:
        found = study.confirm(top=top, seeds=seeds)
    if is_json:
        documents.print_json(found.to_json())
        return
    value = f"{printable(found.objective)} {shown(found.best.mean)}"
    print_facts(f"trial {found.chosen} is confirmed: {value}", told(found))


def told(found: Confirmation) -> Iterator[tuple[str, str]]:
    """(what, in words) of a confirmation, line by line."""
    yield "trained", found.trainings
    for one in found.compared:
        yield ("default" if one.trial is None else f"trial {one.trial}"), _scores(one)
    lead = "the search had flattered its best by" if found.optimism > 0 else "the best is better than it looked, by"
    yield "optimism", f"{lead} {shown(abs(found.optimism))}"
    for warning in found.warnings:
        yield "warning", printable(warning)


def _scores(one: Candidate) -> str:
    chance = "" if one.trial is None else f"; best with {one.probability_best:.0%}"
    if not one.values:
        return "failed in every training"
    seen = "" if math.isnan(one.observed) else f"; the search saw {shown(one.observed)}"
    return f"{shown(one.mean)}, {shown(one.low)} to {shown(one.high)} on new samples{seen}{chance}"
