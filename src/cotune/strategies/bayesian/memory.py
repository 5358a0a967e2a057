"""What earlier suggestions left in the log for later ones: hyperparameters, whose turn it is, when to exploit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cotune.records import History, JsonValue

NAME = "bayesian"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hyperparameters of a model as a decision record holds them: theta, and after how many results it was fitted.

    cold: after how many results it was last fitted from scratch. trial: whose record it is.
    """

    theta: tuple[float, ...]
    results: int
    cold: int
    trial: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The fold of the decision records of trials 0 .. n_trials - 1.

    fitted: model name -> its last hyperparameters. turn: number of suggestions so far for what a model expects to gain.
    exploited: the last trial that minimised the predicted mean; gap: how many others stood between it and the one
    before.
    """

    n_trials: int = 0
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    turn: int = 0
    exploited: int | None = None
    gap: int = 0

    def after(self, record: Mapping[str, JsonValue]) -> Memory:
        """The same after one more trial with this decision record."""
        number = self.n_trials
        if record.get("strategy") != NAME:
            return replace(self, n_trials=number + 1)
        models: list[dict[str, Any]] = record.get("models") or ([record["model"]] if record.get("model") else [])
        fitted = dict(self.fitted)
        for model in models:
            if "theta" in model:
                own = Fitted(tuple(model["theta"]), model["fitted"], model["cold"], number)
                fitted[model["name"]] = own
        if "gap" in record:
            return replace(self, n_trials=number + 1, fitted=fitted, exploited=number, gap=record["gap"])
        return replace(self, n_trials=number + 1, fitted=fitted, turn=self.turn + bool(models))


def remembered(history: History, known: Memory) -> Memory:
    """The memory of a whole history, going on from what is known of its beginning."""
    for number in range(known.n_trials, len(history)):
        known = known.after(history.decision(number))
    return known
