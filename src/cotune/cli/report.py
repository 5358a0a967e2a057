"""`cotune report`."""

from __future__ import annotations

from pathlib import Path

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json, study_folder
from cotune.study import Study


@click.command
@study_folder
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the page; report.html in the study's folder if left out.",
)
@click.option("--open/--no-open", "is_opened", default=False, help="Show it in the browser; not, if left out.")
@as_json
def report(folder: Path, file: Path | None, is_opened: bool, is_json: bool) -> None:
    """Write a page about a study, one file for any browser.

    It has the verdict in words, the best configuration, how the search went, what mattered, what failed, and how far
    all this can be trusted. It needs no network and sends nothing.
    """
    with Study.open(folder) as study:
        written = study.report(folder / "report.html" if file is None else file)
    if is_json:
        documents.print_json({"path": str(written), "bytes": written.stat().st_size})
    else:
        click.echo(str(written))
    if is_opened:
        click.launch(written.as_uri())
