"""`cotune run`."""

from __future__ import annotations

from typing import Literal

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json
from cotune.cli.ending import ending, target_of
from cotune.cli.mistake import Mistake
from cotune.cli.outcome import print_outcome, require_result
from cotune.cli.user_file import study_in


@click.command
@click.argument("target", metavar="FILE.py[:NAME]")
@click.option("--trials", type=click.IntRange(min=1), help="Configurations in total, over all runs.")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs in total, over all trials and runs.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Training time in total, over all runs.")
@ending
@as_json
def run(
    target: str,
    *,
    trials: int | None,
    epochs: int | None,
    seconds: float | None,
    stop: Literal["auto"] | None,
    tolerance: float | None,
    targets: tuple[tuple[str, float], ...],
    patience: int | None,
    is_json: bool,
) -> None:
    """Search with the study that a Python file makes.

    NAME is the study's variable in the file, `study` if left out. The file is imported, so what stands under
    `if __name__ == "__main__":` does not run. The same line again continues a study that has a path.
    """
    if trials is None and epochs is None and seconds is None:
        raise Mistake("cotune run needs a budget: --trials 100, --epochs 3000 or --seconds 3600")
    with study_in(target) as study:
        study.optimize(
            trials, total_epochs=epochs, seconds=seconds,
            stop=stop, tolerance=tolerance, target=target_of(targets), patience=patience,
        )  # fmt: skip
        if is_json:
            documents.print_json(documents.of_study(study))
        else:
            print_outcome(study)
        require_result(study)
