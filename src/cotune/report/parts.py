"""What the sections of the page are made of: headed sections, figures with their numbers beside, tables, facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cotune.records import JsonValue
from cotune.report.markup import Content, Markup, tag
from cotune.spelled import shown


def section(name: str, title: str, *content: Content) -> Markup:
    """A part of the page that the table of contents leads to; name: its id."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def figure(picture: Markup, caption: Content, numbers: Markup | None = None) -> Markup:
    """A picture, what to see on it, and the numbers that it draws, to be unfolded."""
    folded = None if numbers is None else tag("details", tag("summary", "The numbers"), numbers, class_="numbers")
    return tag("figure", picture, tag("figcaption", caption), folded)


def table(columns: Sequence[str], rows: Iterable[Sequence[Content | float]], *, caption: str) -> Markup:
    """A table that scrolls by itself where it is too wide; columns of numbers stand on the right."""
    known = list(rows)
    kinds = ["n" if known and any(_is_number(row[k]) for row in known) else None for k in range(len(columns))]
    head = tag("tr", *[tag("th", name, scope="col", class_=kind) for name, kind in zip(columns, kinds, strict=True)])
    body = [tag("tr", *[_cell(value, kind) for value, kind in zip(row, kinds, strict=True)]) for row in known]
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", inner, class_="wide", role="region", aria_label=caption, tabindex=0)


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Names and what there is to say of them; those without are left out."""
    told = [[tag("dt", name), tag("dd", value)] for name, value in pairs if value not in ("", None)]
    return tag("dl", *[tag("div", *pair) for pair in told])


def paragraph(*content: Content, kind: str | None = None) -> Markup:
    """A paragraph."""
    return tag("p", *content, class_=kind)


def listed(items: Iterable[Content]) -> Markup:
    """A list; nothing without items."""
    points = [tag("li", item) for item in items]
    return tag("ul", *points) if points else Markup("")


def number_or_text(value: JsonValue) -> Content | float:
    """A value of a config as a cell of a table."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else shown(value)


def code(text: str) -> Markup:
    """Something to type, within a sentence."""
    return tag("code", text)


def key(*entries: tuple[str, str]) -> Markup:
    """What the marks of a picture stand for: (class of the mark, name)."""
    marks = [tag("span", tag("span", class_=f"mark {kind}"), name) for kind, name in entries]
    return tag("span", *marks, class_="key", aria_hidden="true")


def _cell(value: Content | float, kind: str | None) -> Markup:
    return tag("td", shown(value) if isinstance(value, float) else value, class_=kind)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
