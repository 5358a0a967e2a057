"""`cotune trials`."""

from __future__ import annotations

from pathlib import Path

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.mistake import Mistake
from cotune.cli.top import print_trials
from cotune.printable import printable_lines
from cotune.study import Study


@click.command
@study_folder
@click.option("--csv", "is_csv", is_flag=True, help="Print comma-separated values.")
@as_json
def trials(folder: Path, is_csv: bool, is_json: bool) -> None:
    """List all trials, as a table, CSV or JSON."""
    if is_csv and is_json:
        raise Mistake("--csv and --json exclude each other")
    with Study.open(folder) as study:
        if is_json:
            documents.print_json([documents.of_trial(trial) for trial in study.trials])
        elif is_csv:
            click.echo(printable_lines(study.trials.to_csv()))
        elif study.trials:
            print_trials(study, list(study.trials))
        else:
            click.echo("there are no trials yet")
