"""`cotune show`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cotune.cli import documents, wording
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.layout import print_facts
from cotune.cli.outcome import print_winners, require_trial
from cotune.printable import printable, printable_lines
from cotune.records import Trial, read_decision
from cotune.study import Study


@click.command
@study_folder
@click.argument("number", metavar="[TRIAL]", type=click.IntRange(min=0), required=False)
@as_json
def show(folder: Path, number: int | None, is_json: bool) -> None:
    """Show a study, or one of its trials, in full.

    A trial comes with its configuration, its learning curves, why it was proposed, and why it failed if it did.
    """
    with Study.open(folder) as study:
        if number is None:
            _show_study(study, is_json)
            return
        require_trial(study, number)
        if is_json:
            documents.print_json(documents.of_trial(study.trials[number]))
        else:
            _print_trial(study.trials[number], study)


def _show_study(study: Study, is_json: bool) -> None:
    if is_json:
        documents.print_json({**documents.of_study(study), "space": study.space.to_json()})
        return
    print_facts(wording.title(study), wording.progress(study))
    print_facts("space", [(name, printable(repr(parameter))) for name, parameter in study.space.parameters.items()])
    print_facts("settings", [("seed", str(study.seed)), *_settings(study)])
    print_winners(study)


def _settings(study: Study) -> list[tuple[str, str]]:
    """What was settled, besides what `auto` chose, which the status tells, and a budget that there is not."""
    told = wording.CHOSEN
    settled = [(name, value) for name, value in study.settings.items() if name not in told and value is not None]
    spelled = {"stopping": wording.stopping}
    return [
        (name, spelled.get(name, wording.settings)(v) if isinstance(v, dict) else printable(str(v)))
        for name, v in settled
    ]


def _print_trial(trial: Trial, study: Study) -> None:
    record = read_decision(trial.decision)
    facts = [
        ("why", wording.proposed(record)),
        ("stopped", wording.scheduled(record.stop) if record.stop is not None else ""),
        ("more", printable(f"cotune explain {shlex.quote(str(study.path))} {trial.number}")),
        ("forked", f"from trial {trial.parent[0]} at step {trial.parent[1]}" if trial.parent else ""),
        ("trained", wording.trained(trial.seconds)),
        ("attempts", f"{trial.attempts} workers died while they trained it" if trial.attempts else ""),
        ("scores", wording.scores(trial.metrics, study)),
        ("failed", wording.failure(trial.failure) if trial.failure else ""),
        ("printed", printable(str(log)) if (log := study.log_of(trial.number)) else ""),
    ]
    print_facts(f"trial {trial.number}: {trial.state}", facts)
    print_facts("configuration", [(name, printable(repr(value))) for name, value in trial.config.items()])
    if trial.steps:
        curves = [(name, wording.curve(trial.curve[name])) for name in wording.ordered(trial.curve, study)]
        print_facts(f"curves, steps {trial.steps[0]} to {trial.steps[-1]}", curves)
    if trial.failure and trial.failure.traceback:
        click.echo(printable_lines(trial.failure.traceback))
