"""`cotune status`."""

from __future__ import annotations

from pathlib import Path

import click

from cotune.cli import documents, wording
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.layout import print_facts
from cotune.study import Study


@click.command
@study_folder
@as_json
def status(folder: Path, is_json: bool) -> None:
    """Show how far a study is."""
    with Study.open(folder) as study:
        if is_json:
            documents.print_json(documents.of_study(study))
            return
        facts = wording.progress(study)
        print_facts(
            wording.title(study), [*facts, ("workers", wording.workers(study)), ("best", wording.winners(study))]
        )
