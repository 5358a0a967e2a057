"""What all pictures have in common: the Axes they are drawn on, the objective they are of, colours and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cotune.errors import MissingPackage, StudyError
from cotune.printable import printable
from cotune.records import History, JsonValue, State
from cotune.space import Float, Int, Parameter
from cotune.spelled import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST, DONE, FAILED, BAR = "#0a5ea8", "#5f7f9c", "#b0480c", "#a9c7e2"
"""Colours that remain apart for colour-blind eyes, and in grey."""

_MARKER = {State.DONE: "o", State.STOPPED: "o", State.PAUSED: "s", State.RUNNING: "D"}


def axes_for(ax: Axes | None, *, height: float = 4.0) -> Axes:
    """The Axes that was given, or one on a figure of its own, 7 inches wide. Raises MissingPackage."""
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackage("ct.plots needs matplotlib: pip install 'cotune[plots]'") from None
    return Figure(figsize=(7.0, height), layout="constrained").subplots()


def one_objective(history: History, objective: str | None, what: str) -> tuple[str, bool]:
    """(name, whether more is better) of the objective that was named, or of the only one. Raises StudyError."""
    names = list(history.objectives)
    if objective is None and len(names) > 1:
        raise StudyError(
            f"ct.plots.{what}(study) draws one objective: name it, objective={names[0]!r} or objective={names[1]!r}, "
            "or draw ct.plots.front(study)"
        )
    name = names[0] if objective is None else objective
    if name not in history.objectives:
        raise StudyError(f"ct.plots.{what}(objective={objective!r}) takes one of {', '.join(names)}")
    return name, history.objectives[name]


def one_parameter(history: History, name: str, what: str) -> Parameter:
    """The parameter of that name. Raises StudyError."""
    if name not in history.space.parameters:
        raise StudyError(f"ct.plots.{what}(..., {name!r}) takes a parameter: {', '.join(history.space.names)}")
    return history.space.parameters[name]


def labelled(text: str) -> str:
    """A name as it is written on a picture: on one line, and never read as a formula."""
    return printable(text).replace("$", r"\$")


def told(ax: Axes, words: str) -> Axes:
    """The Axes with nothing on it but these words."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, labelled(words), transform=ax.transAxes, ha="center", va="center", wrap=True)
    return ax


def is_log(parameter: Parameter) -> bool:
    """Whether a parameter is searched in orders of magnitude."""
    match parameter:
        case Float(log=True) | Int(log=True):
            return True
        case _:
            return False


def marker(state: State) -> str:
    """The shape that stands for a state."""
    return _MARKER.get(state, "o")


def places(parameter: Parameter, values: Sequence[JsonValue]) -> list[float]:
    """Numbers as they are; choices as their places in the order in which they were given."""
    if parameter.kind != "categorical":
        return [float(value) for value in values]
    order = {repr(choice): float(place) for place, choice in enumerate(parameter.levels(1))}
    return [order[repr(value)] for value in values]


def scaled(ax: Axes, parameter: Parameter, name: str) -> None:
    """The x axis of a parameter: logarithmic where it is searched so, with names where it has choices."""
    ax.set_xlabel(labelled(name))
    if is_log(parameter):
        ax.set_xscale("log")
    if parameter.kind == "categorical":
        choices = parameter.levels(1)
        ax.set_xticks(range(len(choices)), [labelled(shown(choice)) for choice in choices])
        ax.set_xlim(-0.5, len(choices) - 0.5)
