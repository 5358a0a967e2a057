"""Where and with what the study was made: environment, budget, space, and the table of its best trials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cotune.explain.calibration import choices
from cotune.explain.course import ranking
from cotune.records import CONFIRMATION, History, State
from cotune.report.markup import Content, Markup
from cotune.report.parts import facts, number_or_text, paragraph, section, table
from cotune.spelled import counted, cut, duration, shown

_MOST_TRIALS = 50
_MOST_SETTING = 160
_TOLD = frozenset({"machine", "strategy", "scheduler", "confirmation", "threads", "trials"})


def environment(history: History, *, command: str | None) -> Markup:
    """All that results may depend on besides the log."""
    machine: object = history.settings.get("machine")
    versions = machine if isinstance(machine, Mapping) else {}
    pairs = [
        ("study", command),
        *_budget(history),
        ("seed", str(history.seed)),
        *[(what, _chosen(history.settings.get(what))) for what in ("strategy", "scheduler")],
        ("proposed by", ", ".join(f"{n} {name or 'unknown'}" for name, n in choices(history).strategies.items())),
        *[(str(name), shown(value)) for name, value in versions.items() if value is not None],
        *_settings(history),
    ]
    return section("environment", "Environment", facts(pairs), _space(history))


def _budget(history: History) -> Iterator[tuple[str, Content]]:
    goals = ", ".join(f"{'maximise' if up else 'minimise'} {name}" for name, up in history.objectives.items())
    yield "goal", goals
    asked = history.settings.get("trials")
    yield "trials", f"{history.n_proposed} of {asked}" if asked else str(history.n_proposed)
    yield "steps trained", f"{history.steps_paid}, at most {history.steps} each" if history.steps else ""
    yield "training time", duration(history.seconds) if history.seconds else ""


def _chosen(setting: object) -> str:
    """What was settled and why, if it says why."""
    if not isinstance(setting, Mapping) or "why" not in setting:
        return ""
    return f"{setting['name']}: {setting['why']}" if "name" in setting else str(setting["why"])


def _settings(history: History) -> Iterator[tuple[str, str]]:
    for name, value in history.settings.items():
        if name not in _TOLD and not name.startswith(CONFIRMATION) and value not in (None, {}, []):
            text = _chosen(value) or (json.dumps(value) if isinstance(value, dict | list) else shown(value))
            yield name, cut(text, _MOST_SETTING)


def _space(history: History) -> Markup:
    rows = [[name, repr(parameter)] for name, parameter in history.space.parameters.items()]
    return table(["parameter", "searched in"], rows, caption="The space")


def trials(history: History) -> Markup | None:
    """The best trials, with all that is known of them in numbers; None if none has a result."""
    ranked = ranking(history)
    if not ranked:
        return None
    numbers = ranked[:_MOST_TRIALS]
    metrics = list(dict.fromkeys([*history.objectives, *(name for n in numbers for name in history.metrics(n))]))
    rows = [_row(history, number, metrics) for number in numbers]
    columns = ["trial", "state", "step", *metrics, *history.space.names, "seconds"]
    n_without = len(history) - len(ranked)
    rest = f"; {len(ranked) - _MOST_TRIALS} others are left out here" if len(ranked) > _MOST_TRIALS else ""
    lead = f"{counted(len(ranked), 'trial')} came to the end{rest}." if history.count(State.DONE) else ""
    without = f" {counted(n_without, 'trial')} did not." if n_without and lead else ""
    return section("trials", "The best trials", paragraph(lead + without) if lead else None,
                   table(columns, rows, caption=f"{len(numbers)} trials, the best first"))  # fmt: skip


def _row(history: History, number: int, metrics: list[str]) -> list[Content | float]:
    trial = history.trial(number)
    values = [trial.config.get(name) for name in history.space.names]
    settings = [number_or_text(value) for value in values]
    scores = [trial.metrics.get(name, "") for name in metrics]
    return [number, str(trial.state), history.step(number), *scores, *settings, float(f"{trial.seconds:.3g}")]
