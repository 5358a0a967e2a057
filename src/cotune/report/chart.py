"""A chart as inline SVG: a frame with axes, and the marks on it. Colours and sizes are classes of the style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cotune.report.axes import Axis, spelled
from cotune.report.markup import Content, Markup, spelled_number, tag, together
from cotune.spelled import cut

_TICK = 5.0
_LINE = 14.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Where on a picture of width x height the data lie, in pixels of the picture's own."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def x(self) -> tuple[float, float]:
        """First and last pixel, from left to right."""
        return self.left, self.width - self.right

    @property
    def y(self) -> tuple[float, float]:
        """First and last pixel, from the bottom up."""
        return self.height - self.bottom, self.top


WIDE = Frame(width=760, height=320, left=62, top=16, right=18, bottom=48)
SMALL = Frame(width=300, height=190, left=50, top=10, right=12, bottom=26)


def drawing(frame: Frame, *marks: Content, label: str, kind: str = "wide") -> Markup:
    """A picture with its description in words, for those who do not see it."""
    box = f"0 0 {spelled_number(frame.width)} {spelled_number(frame.height)}"
    return tag("svg", *marks, class_=kind, viewBox=box, role="img", aria_label=label)


def grid(frame: Frame, x: Axis, y: Axis, *, x_title: str, y_title: str, n_x: int = 7, n_y: int = 5) -> Markup:
    """Both axes with round numbers."""
    return together([y_axis(frame, y, y_title, n_y), x_axis(frame, x, x_title, n_x)])


def x_axis(frame: Frame, axis: Axis, title: str, n: int, *, is_whole: bool = False) -> Markup:
    """Numbers below the data, and what they are."""
    ticks = [tick for tick in axis.ticks(n) if not is_whole or tick == round(tick)]
    bottom = frame.y[0]
    marks = [tag("path", class_="axis", d=_segment(frame.left, bottom, frame.width - frame.right, bottom))]
    for tick, label in zip(ticks, spelled(ticks), strict=True):
        at = axis.at(tick)
        marks += [
            tag("path", class_="axis", d=_segment(at, bottom, at, bottom + _TICK)),
            tag("text", label, class_="tick", x=at, y=bottom + _TICK + _LINE, text_anchor="middle"),
        ]
    middle = sum(frame.x) / 2
    head = tag("text", title, class_="title", x=middle, y=frame.height - 6, text_anchor="middle")
    return together([*marks, head if title else None])


def y_axis(frame: Frame, axis: Axis, title: str, n: int) -> Markup:
    """Lines across the data, their numbers on the left, and what they are on top of these."""
    ticks = axis.ticks(n)
    marks = list[Content]()
    for tick, label in zip(ticks, spelled(ticks), strict=True):
        at = axis.at(tick)
        marks += [
            tag("path", class_="grid", d=_segment(frame.left, at, frame.width - frame.right, at)),
            tag("text", label, class_="tick", x=frame.left - 7, y=at + 4, text_anchor="end"),
        ]
    where = f"rotate(-90 {spelled_number(13)} {spelled_number(sum(frame.y) / 2)})"
    head = tag("text", title, class_="title side", x=13, y=sum(frame.y) / 2, text_anchor="middle", transform=where)
    return together([*marks, head if title else None])


def choices_axis(frame: Frame, places: Sequence[tuple[float, str]]) -> Markup:
    """Names of choices below the data."""
    room = (frame.x[1] - frame.x[0]) / max(len(places), 1)
    names = [
        tag("text", cut(name, int(room / 6.5)), class_="tick", x=at, y=frame.y[0] + _TICK + _LINE, text_anchor="middle")
        for at, name in places
    ]
    line = tag("path", class_="axis", d=_segment(frame.left, frame.y[0], frame.width - frame.right, frame.y[0]))
    return together([line, *names])


def dot(x: float, y: float, told: str, *, kind: str, radius: float = 3.2) -> Markup:
    """A round mark with what it says when it is pointed at."""
    return tag("circle", tag("title", told), class_=kind, cx=x, cy=y, r=radius)


def cross(x: float, y: float, told: str, *, kind: str, radius: float = 3.2) -> Markup:
    """A mark of two strokes."""
    strokes = _segment(x - radius, y - radius, x + radius, y + radius) + _segment(
        x - radius, y + radius, x + radius, y - radius
    )
    return tag("path", tag("title", told), class_=kind, d=strokes)


def line(points: Iterable[tuple[float, float]], *, kind: str, told: str | None = None) -> Markup:
    """A line through pixels; it is broken where one is not finite."""
    strokes, is_broken = list[str](), True
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            strokes.append(f"{'M' if is_broken else 'L'}{spelled_number(x)} {spelled_number(y)}")
        is_broken = not (math.isfinite(x) and math.isfinite(y))
    return tag("path", tag("title", told) if told else None, class_=kind, d="".join(strokes))


def stairs(points: Sequence[tuple[float, float]], until: float, *, kind: str) -> Markup:
    """A line that goes level from each pixel to the next one, and on to `until`."""
    if not points:
        return Markup("")
    strokes = [f"M{spelled_number(points[0][0])} {spelled_number(points[0][1])}"]
    strokes += [f"H{spelled_number(x)}V{spelled_number(y)}" for x, y in points[1:]]
    return tag("path", class_=kind, d=f"{''.join(strokes)}H{spelled_number(until)}")


def band(x: Sequence[float], low: Sequence[float], high: Sequence[float], *, kind: str) -> Markup:
    """The area between two lines over the same pixels."""
    there = [f"{spelled_number(a)} {spelled_number(b)}" for a, b in zip(x, high, strict=True)]
    back = [f"{spelled_number(a)} {spelled_number(b)}" for a, b in zip(reversed(x), reversed(low), strict=True)]
    return tag("path", class_=kind, d=f"M{'L'.join([*there, *back])}Z" if there else "")


def segment(x1: float, y1: float, x2: float, y2: float, *, kind: str) -> Markup:
    """A straight stroke."""
    return tag("path", class_=kind, d=_segment(x1, y1, x2, y2))


def words(text: str, x: float, y: float, *, kind: str = "tick", anchor: str = "start") -> Markup:
    """A line of text."""
    return tag("text", text, class_=kind, x=x, y=y, text_anchor=anchor)


def _segment(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"M{spelled_number(x1)} {spelled_number(y1)}L{spelled_number(x2)} {spelled_number(y2)}"
