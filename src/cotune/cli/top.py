"""`cotune top`."""

from __future__ import annotations

from pathlib import Path

import click

from cotune.cli import documents
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.layout import print_table
from cotune.explain.course import ranking
from cotune.records import Trial
from cotune.spelled import shown
from cotune.study import Study


@click.command
@study_folder
@click.option("-n", "n", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@as_json
def top(folder: Path, n: int, is_json: bool) -> None:
    """List the best trials.

    With several objectives, the trials of the front come first, marked by an asterisk.
    """
    with Study.open(folder) as study:
        history = study.history
        trials = [history.trial(number) for number in ranking(history)[:n]]
        if is_json:
            documents.print_json([documents.of_trial(trial) for trial in trials])
        elif trials:
            print_trials(study, trials, marked=frozenset(history.front()) if len(study.objectives) > 1 else frozenset())
        else:
            click.echo("no trial has a result yet")


def print_trials(study: Study, trials: list[Trial], *, marked: frozenset[int] = frozenset()) -> None:
    """A table of trials; `marked` ones get an asterisk."""
    metrics = list(dict.fromkeys([*study.objectives, *[name for trial in trials for name in trial.metrics]]))
    counts_steps = (study.history.steps or 1) > 1
    rows = [_row(trial, metrics, study.space.names, marked, counts_steps=counts_steps) for trial in trials]
    steps = ["steps"] if counts_steps else []
    print_table(["trial", "state", *steps, *metrics, *study.space.names], rows)


def _row(
    trial: Trial, metrics: list[str], names: tuple[str, ...], marked: frozenset[int], *, counts_steps: bool
) -> list[str]:
    number = f"{trial.number}*" if trial.number in marked else str(trial.number)
    scores = [shown(trial.metrics.get(name)) for name in metrics]
    steps = [str(trial.steps[-1] if trial.steps else 0)] if counts_steps else []
    return [number, str(trial.state), *steps, *scores, *[shown(trial.config.get(name)) for name in names]]
