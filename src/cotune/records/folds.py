"""Folds that a trial trains one after another: how its steps are divided among them."""

from __future__ import annotations

from cotune.config import Config
from cotune.records.history import History

FOLDS = "folds"
"""The setting that says how many there are; without it a fold, if there is such a thing, is one step."""


def steps_of_fold(history: History, config: Config) -> int:
    """How many steps each fold of a trial takes: fewer for a configuration that asks for fewer `epochs`."""
    folds = history.settings.get(FOLDS)
    if folds is None:
        return 1
    assert history.steps is not None, "a task says how many steps its trials have"
    most: int = history.steps // folds
    return min(most, config.get("epochs", most))
