"""`cotune best`."""

from __future__ import annotations

from pathlib import Path

import click

from cotune.cli import documents, wording
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.mistake import Mistake
from cotune.errors import NoResult
from cotune.printable import printable_lines
from cotune.study import Best, Study


@click.command
@study_folder
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to FILE.json the configuration, schedule and metrics, or to FILE.safetensors the model's last weights.",
)
@as_json
def best(folder: Path, export: Path | None, is_json: bool) -> None:
    """Print the best configuration, or write it to a file.

    With several objectives, print the configurations of the front.
    """
    with Study.open(folder) as study:
        winners = study.front if len(study.objectives) > 1 else [study.best]
        if not winners:
            raise NoResult(f"no trial has a result yet ({study.trials!r})")
        if export is not None:
            _export(winners, export)
        if is_json:
            documents.print_json(documents.of_winners(study))
            return
        for winner in winners:
            _print_to_paste(winner, study)


def _print_to_paste(winner: Best, study: Study) -> None:
    """The configuration as a Python dict, or what changed as a Schedule, below a comment with the scores."""
    click.echo(f"# {wording.winner(winner.trial, study)}")
    confirmation = study.confirmation
    if confirmation is not None:
        click.echo("\n".join(f"# {line}" for line in printable_lines(str(confirmation)).splitlines()))
    changing = winner.schedule.changing
    if not changing:
        click.echo("\n".join(["{", *[f"    {name!r}: {value!r}," for name, value in winner.config.items()], "}"]))
        return
    click.echo(f"# {', '.join(changing)} changed in training: ct.fit(task, ct.Schedule(...)) trains a model like it")
    stages = [f"    ({first}, {dict(config)!r})," for first, config in winner.schedule.stages]
    click.echo("\n".join(["ct.Schedule([", *stages, f"], epochs={winner.schedule.epochs})"]))


def _export(winners: list[Best], file: Path) -> None:
    if len(winners) > 1:
        raise Mistake(f"--export writes one trial, and {len(winners)} are on the front")
    contents = {".json": _as_json, ".safetensors": _weights}
    if file.suffix not in contents:
        raise Mistake(f"--export {file}: the name must end in {' or '.join(contents)}")
    content = contents[file.suffix](winners[0])
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Mistake(f"cannot write {file}: {error.strerror}") from error


def _as_json(winner: Best) -> bytes:
    return documents.as_text(documents.of_best(winner)).encode()


def _weights(winner: Best) -> bytes:
    from safetensors.torch import save  # loads torch

    return save(dict(winner.weights()))
