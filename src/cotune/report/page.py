"""The page: its head with the rules that keep it closed, a table of contents, and the sections in their order."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cotune import __version__
from cotune.explain.confirmation import confirmation_of
from cotune.explain.insight import Insight
from cotune.records import History
from cotune.report.confirmation import confirmed
from cotune.report.curves import curves
from cotune.report.effects import effects
from cotune.report.importance import importance
from cotune.report.markup import Markup, tag
from cotune.report.path import path
from cotune.report.predictions import predictions
from cotune.report.progress import progress
from cotune.report.setting import environment, trials
from cotune.report.trust import failed, stopping
from cotune.report.verdict import verdict
from cotune.report.winner import winner

_TITLES = {
    "verdict": "Verdict", "best": "Best", "history": "History", "curves": "Curves", "importance": "Importance",
    "effects": "Effects", "path": "Path", "confirmation": "Confirmation", "stopping": "Stopping",
    "predictions": "Predictions", "failures": "Failures", "trials": "Trials", "environment": "Environment",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about. name: its headline. command: the study's folder as typed in a shell, if it has one.

    ended: why the search ended, if it did.
    """

    name: str
    command: str | None = None
    ended: str | None = None


def page(history: History, subject: Subject, insights: Mapping[str, Insight]) -> str:
    """The whole page as HTML that is well-formed XML too. insights: by objective.

    It needs no network, holds no time of day, and is the same text for the same arguments.
    """
    found = _sections(history, subject, insights)
    goals = ", ".join(f"{'maximise' if up else 'minimise'} {name}" for name, up in history.objectives.items())
    header = tag("header", tag("p", "cotune report", class_="kicker"), tag("h1", subject.name), tag("p", goals))
    footer = tag("footer", tag("p", f"Written by cotune {__version__}. This page loads nothing and sends nothing."))
    body = tag(
        "body",
        tag("a", "To the verdict", href="#verdict", class_="skip"),
        header,
        _contents(list(found)),
        tag("main", *found.values()),
        footer,
        tag("script", Markup(_asset("script.js"))),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(subject.name), body, lang='en').text}\n"


def _sections(history: History, subject: Subject, insights: Mapping[str, Insight]) -> dict[str, Markup]:
    """Those that have something to say, by id."""
    confirmation = confirmation_of(history)
    number = history.best() if len(history.objectives) == 1 else None
    marked = {} if number is None else history.config(number)
    sections = {
        "verdict": verdict(history, insights, confirmation, ended=subject.ended),
        "best": winner(history, number, command=subject.command),
        "history": progress(history),
        "curves": curves(history),
        "importance": importance(insights),
        "effects": effects(insights, marked),
        "path": path(insights),
        "confirmation": confirmed(confirmation) if number is not None else None,
        "stopping": stopping(history, insights),
        "predictions": predictions(history),
        "failures": failed(history, command=subject.command),
        "trials": trials(history),
        "environment": environment(history, command=subject.command),
    }
    return {name: part for name, part in sections.items() if part is not None}


def _contents(names: Sequence[str]) -> Markup:
    links = [tag("li", tag("a", _TITLES[name], href=f"#{name}")) for name in names]
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _head(title: str) -> Markup:
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title}: cotune report"),
        tag("style", Markup(style)),
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    """The style sheet or the script; neither holds `<` or `&`, so they stand in the page as they are."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
