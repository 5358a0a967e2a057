"""`cotune demo`: the network of an introductory article, tuned on data that comes with cotune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json
from cotune.cli.ending import ending, target_of
from cotune.cli.layout import print_table
from cotune.cli.outcome import print_outcome, require_result
from cotune.space import Float, Int, Space
from cotune.spelled import shown
from cotune.study import Study

if TYPE_CHECKING:
    from cotune.training import Task


def digits_task(epochs: int) -> Task:
    """Linear, ReLU, Linear with cross-entropy; a fifth of the digits validates, a fifth is sealed for the test."""
    from torch import nn

    from cotune.training import Task, data

    return Task(
        model=lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.ReLU(), nn.Linear(c.hidden, 10)),
        data=data.digits(),
        loss=nn.CrossEntropyLoss(),
        metrics=["accuracy", "f1", "auc"],
        epochs=epochs,
        validation=0.2,
        test=0.2,
    )


def digits_space() -> Space:
    """Which optimiser, how large its steps and batches, and how wide the network."""
    return Space(
        optimizer=["sgd", "adam", "rmsprop"],
        learning_rate=Float(1e-4, 1e-1, log=True),
        batch_size=Int(16, 256, log=True),
        hidden=Int(16, 512, log=True),
    )


@click.command
@click.option("--trials", type=click.IntRange(min=1), default=60, show_default=True, help="Configurations in total.")
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Epochs of each trial.")
@click.option("--strategy", default="auto", show_default=True, help="auto, bayesian, tpe, cmaes, sobol, random, grid.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="What all chance follows from.")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="The study's folder; a study that is there is continued.",
)
@ending
@as_json
def demo(
    *,
    trials: int,
    epochs: int,
    strategy: str,
    seed: int,
    path: Path,
    stop: Literal["auto"] | None,
    tolerance: float | None,
    targets: tuple[tuple[str, float], ...],
    patience: int | None,
    is_json: bool,
) -> None:
    """Tune a small network on the bundled digits.

    Downloads nothing. A page about it, report.html, is written into the study's folder. The same line again has nothing
    left to do; more trials continue the study.
    """
    with Study(digits_task(epochs), digits_space(), path=path, strategy=strategy, seed=seed) as study:
        study.optimize(trials, stop=stop, tolerance=tolerance, target=target_of(targets), patience=patience)
        require_result(study)
        test, page = study.best.test(), study.report(path / "report.html")
        if is_json:
            documents.print_json({**documents.of_study(study), "test": test})
        else:
            print_outcome(study)
            click.echo()
            names = ["accuracy", "f1", "auc", "loss"]
            scores = {"validation": study.best.metrics, "sealed test set": test}
            print_table(["", *names], [[part, *[shown(s[name]) for name in names]] for part, s in scores.items()])
            click.echo(f"\nall of it as a page: {page}")
