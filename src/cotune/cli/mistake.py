"""A user's mistake, told in one message without a traceback."""

from __future__ import annotations

import click


class Mistake(click.ClickException):
    """Ends the program with exit code 2, like a wrong option."""

    exit_code = 2
