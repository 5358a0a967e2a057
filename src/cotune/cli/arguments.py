"""What several commands take."""

from __future__ import annotations

from pathlib import Path

import click

study_folder = click.argument("folder", metavar="STUDY", type=click.Path(path_type=Path))
"""The folder of an existing study; `Study.open` says what is wrong with it."""

as_json = click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
