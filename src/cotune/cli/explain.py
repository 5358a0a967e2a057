"""`cotune explain`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cotune.cli import documents, insights, reasons, wording
from cotune.cli.arguments import as_json, study_folder
from cotune.cli.layout import print_facts
from cotune.cli.outcome import require_trial
from cotune.explain import calibration, choices, explanation
from cotune.study import Study


@click.command
@study_folder
@click.argument("number", metavar="[TRIAL]", type=click.IntRange(min=0), required=False)
@as_json
def explain(folder: Path, number: int | None, is_json: bool) -> None:
    """Say why a trial was proposed, or how well a study chose.

    A trial comes with what was known and expected when it was proposed, and with what came of it. Without a trial:
    which strategies chose, how their predictions compare with the results, how much was exploring, and what the
    results say about the hyperparameters.
    """
    with Study.open(folder) as study:
        if number is None:
            _explain_study(study, is_json)
        else:
            require_trial(study, number)
            _explain_trial(study, number, is_json)


def _explain_trial(study: Study, number: int, is_json: bool) -> None:
    found = explanation(study.history, number)
    if is_json:
        documents.print_json(asdict(found))
    else:
        print_facts(f"trial {number}: {found.state}", reasons.of_trial(found))


def _explain_study(study: Study, is_json: bool) -> None:
    predictions, made = calibration(study.history), choices(study.history)
    found = [study.explain(objective) for objective in study.objectives]
    if is_json:
        told = asdict(predictions) if predictions else None
        auto = {"auto": study.settings.get("strategy"), "scheduler": study.settings.get("scheduler")}
        head = {"objectives": study.objectives, **auto}
        documents.print_json({**head, "calibration": told, **asdict(made), "insights": [asdict(one) for one in found]})
    else:
        facts = [*wording.chosen(study), *reasons.of_choices(made, predictions)]
        print_facts(wording.title(study), facts)
        for one in found:
            insights.print_insight(one)
