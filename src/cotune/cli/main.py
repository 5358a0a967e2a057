"""`cotune`: the group of all commands. Help and completion come from the table below and load nothing else."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from cotune import __version__
from cotune.cli.mistake import Mistake
from cotune.errors import CotuneError, NoResult, StudyStopped
from cotune.printable import printable_lines

COMMANDS = {
    "demo": "Tune a small network on the bundled digits.",
    "run": "Search with the study that a Python file makes.",
    "status": "Show how far a study is.",
    "show": "Show a study, or one of its trials, in full.",
    "confirm": "Train the best trials again, and say how good they really are.",
    "replay": "Train one trial again and compare it with what is recorded.",
    "explain": "Say why a trial was proposed, or how well a study chose.",
    "report": "Write a page about a study, one file for any browser.",
    "top": "List the best trials.",
    "best": "Print the best configuration, or write it to a file.",
    "trials": "List all trials, as a table, CSV or JSON.",
}
"""Name -> help in one line. The command itself is the object of that name in the module `cotune.cli.name`."""

_EPILOG = (
    "Exit codes: 0 done; 1 no trial has a result, or a replay came out otherwise; 2 a mistake in the command, in your "
    "file or in the study's path; 130 or 143 interrupted, nothing is lost."
)


class _LazyGroup(click.Group):
    """A group of placeholders; the command that is used takes its placeholder's place."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = getattr(import_module(f"cotune.cli.{name}"), name)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (NoResult, StudyStopped) as error:
            raise click.ClickException(printable_lines(str(error))) from error
        except CotuneError as error:
            raise Mistake(printable_lines(str(error))) from error
        except KeyboardInterrupt:
            raise SystemExit(130) from None


@click.group(
    cls=_LazyGroup,
    commands={name: click.Command(name, help=line) for name, line in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, message="cotune %(version)s")
def cotune() -> None:
    """Find good hyperparameters for a PyTorch model.

    STUDY is a study's folder, such as runs/demo. Every command takes --json.
    """


def main() -> None:
    """The program `cotune`. A character that the terminal cannot show is replaced instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    cotune(prog_name="cotune")
