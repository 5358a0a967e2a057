"""The best configuration ready to copy, or with several objectives the front."""

from __future__ import annotations

from collections.abc import Sequence

from cotune.config import Config
from cotune.records import History
from cotune.report import chart
from cotune.report.axes import Axis, axis_of_most, axis_over
from cotune.report.markup import Content, Markup, lines, tag, together
from cotune.report.parts import code, figure, key, number_or_text, paragraph, section, table
from cotune.spelled import counted, shown

_MOST = 20


def winner(history: History, number: int | None, *, command: str | None) -> Markup | None:
    """The section; None without a result. number: who won. command: the study's folder as it is typed in a shell."""
    front = history.front()
    if not front:
        return None
    if number is None:
        return section("best", "The front", _front_figure(history, front), _front_table(history, front))
    config = history.config(number)
    rows = [[name, shown(value), repr(history.space.parameters[name])] for name, value in config.items()]
    settings = table(["parameter", "value", "searched in"], rows, caption=f"Configuration of trial {number}")
    changed = (
        "It changed while it trained; the configuration above is that of its last epochs, and `cotune best` prints all."
    )
    parts = [settings, paragraph(changed) if len(history.lineage(number)) > 1 else None, _scores(history, number)]
    again = f"cotune best {command}" if command else None
    return section("best", "Best configuration", *parts, _to_copy(config, again))


def _scores(history: History, number: int) -> Markup:
    metrics = history.metrics(number)
    names = dict.fromkeys([*history.objectives, *metrics])
    return paragraph(f"All its metrics: {', '.join(f'{name} {shown(metrics[name])}' for name in names)}.")


def _to_copy(config: Config, again: str | None) -> Markup:
    """The configuration as a Python dict, and the command that prints it again."""
    text = "\n".join(["{", *[f"    {name!r}: {value!r}," for name, value in config.items()], "}"])
    button = tag("button", "Copy", type="button", hidden="", data_copy="best-config")
    block = tag("div", tag("pre", tag("code", lines(text)), id="best-config"), button, class_="copy")
    return together([block, paragraph("In a shell: ", code(again), ".") if again else None])


def _front_table(history: History, front: Sequence[int]) -> Markup:
    names = [*history.objectives, *history.space.names]
    rows: list[list[Content | float]] = [
        [number, *[number_or_text({**history.config(number), **history.metrics(number)}.get(name)) for name in names]]
        for number in front[:_MOST]
    ]
    rest = f"; {len(front) - _MOST} more are left out here" if len(front) > _MOST else ""
    return table(["trial", *names], rows, caption=f"{counted(len(front), 'trial')} on the front{rest}")


def _front_figure(history: History, front: Sequence[int]) -> Markup:
    """The first two objectives against each other."""
    one, two = list(history.objectives.items())[:2]
    first, second = one[0], two[0]
    pairs = {
        number: (history.metrics(number)[first], history.metrics(number)[second])
        for number in range(len(history))
        if {first, second} <= set(history.metrics(number))
    }
    numbers = table(["trial", first, second], [[n, *pairs[n]] for n in front], caption="The front")
    label = f"{second} against {first}: {counted(len(front), 'trial')} on the front among {len(pairs)} with results"
    goals = " and ".join(f"{'higher' if up else 'lower'} {name}" for name, up in (one, two))
    caption: list[Content] = [
        f"Better is {goals}; what lies beyond the edge is drawn on it. ",
        key(("point best", "on the front"), ("point done", "beaten by another")),
    ]
    return figure(_front_drawing(pairs, front, one, two, label), together(caption), numbers)


def _front_drawing(
    pairs: dict[int, tuple[float, float]],
    front: Sequence[int],
    one: tuple[str, bool],
    two: tuple[str, bool],
    label: str,
) -> Markup:
    frame, first, second = chart.WIDE, one[0], two[0]
    x = _with_front([a for a, _ in pairs.values()], [pairs[n][0] for n in front], frame.x, one[1])
    y = _with_front([b for _, b in pairs.values()], [pairs[n][1] for n in front], frame.y, two[1])
    told = {n: f"trial {n}: {first} {shown(a)}, {second} {shown(b)}" for n, (a, b) in pairs.items()}
    leaders = frozenset(front)
    rest = [chart.dot(x.at(a), y.at(b), told[n], kind="done") for n, (a, b) in pairs.items() if n not in leaders]
    ordered = sorted(front, key=lambda n: pairs[n])
    path = chart.line([(x.at(pairs[n][0]), y.at(pairs[n][1])) for n in ordered], kind="front")
    best = [chart.dot(x.at(pairs[n][0]), y.at(pairs[n][1]), told[n], kind="best", radius=4.6) for n in ordered]
    marks: list[Content] = [chart.grid(frame, x, y, x_title=first, y_title=second), *rest, path, *best]
    return chart.drawing(frame, *marks, label=label)


def _with_front(values: list[float], front: list[float], pixels: tuple[float, float], maximise: bool) -> Axis:
    """Room for most values, and for the whole front."""
    most = axis_of_most(values, *pixels, maximise=maximise)
    return most if all(most.holds(value) for value in front) else axis_over([*front, most.low, most.high], *pixels)
