"""Markup that is well-formed by construction: elements nest, and every text passes one escaping function."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is markup already."""

    text: str


Content = str | int | Markup | None
"""What an element may hold: text and numbers, which are escaped, markup, or nothing."""

_VOID = frozenset({"meta", "link", "circle", "line", "path", "rect", "br"})


def visible(text: str) -> str:
    """The text with line ends and all that does not print, such as marks that turn the direction, spelled out.

    >>> visible("left\\u202e thgir")
    'left\\\\u202e thgir'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped(text: str) -> str:
    """The text as it may stand in markup, between tags or in an attribute's quotes."""
    return html.escape(visible(text), quote=True)


def tag(element: str, *content: Content, **attributes: str | float | None) -> Markup:
    """An element. `class_` stands for class, an underscore for a hyphen; an attribute that is None is left out.

    >>> tag("p", "1 < 2", class_="note").text
    '<p class="note">1 &lt; 2</p>'
    """
    told = "".join(
        f' {name.strip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = together(content).text
    if element in _VOID and not inner:
        return Markup(f"<{element}{told}/>")
    return Markup(f"<{element}{told}>{inner}</{element}>")


def together(parts: Iterable[Content]) -> Markup:
    """The parts, one after another."""
    return Markup("".join(_written(part) for part in parts))


def lines(text: str) -> Markup:
    """A text of several lines."""
    return Markup("\n".join(escaped(line.expandtabs(4)) for line in text.splitlines()))


def spelled_number(value: float) -> str:
    """A length or a position in pixels, to a tenth.

    >>> spelled_number(12.04), spelled_number(3.25)
    ('12', '3.2')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _attribute(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else spelled_number(value)


def _written(part: Content) -> str:
    if part is None:
        return ""
    return escaped(str(part)) if isinstance(part, str | int) else part.text
