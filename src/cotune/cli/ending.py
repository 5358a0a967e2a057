"""The options that say when a search ends before its budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cotune.cli.mistake import Mistake
from cotune.printable import printable


class _Target(click.ParamType[Any]):
    """`0.97`, or with the metric's name `accuracy=0.97`."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, _, number = str(value).rpartition("=")
        try:
            return name, float(number)
        except ValueError:
            self.fail(f"{printable(str(value))!r} is neither a number nor METRIC=NUMBER", param, ctx)


_OPTIONS = (
    click.option("--stop", type=click.Choice(["auto"]), help="End when the model expects no more than the noise."),
    click.option("--tolerance", type=click.FloatRange(min=0), help="With --stop auto: end at this expectation."),
    click.option(
        "--target",
        "targets",
        metavar="[METRIC=]VALUE",
        type=_Target(),
        multiple=True,
        help="End as soon as a trial is as good. Once for each metric that it must reach.",
    ),
    click.option("--patience", type=click.IntRange(min=1), help="End after so many trials without a better one."),
)


def ending(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `stop`, `tolerance`, `targets` and `patience`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def target_of(targets: tuple[tuple[str, float], ...]) -> float | dict[str, float] | None:
    """What `optimize(target=)` takes."""
    if not targets:
        return None
    if len(targets) == 1 and not targets[0][0]:
        return targets[0][1]
    if not all(name for name, _ in targets):
        raise Mistake("several --target need their metrics: --target accuracy=0.97 --target latency_ms=5")
    return dict(targets)
