"""Facts and tables on a terminal. Colours only where they are wanted: rich obeys NO_COLOR and pipes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotune.printable import printable

_GAP = 2


def console() -> Console:
    """Standard output, taking every text as it stands."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """A title and, below it, one line for each fact that has a value."""
    told = [(printable(name), value) for name, value in facts if value]
    width = max((cell_len(name) for name, _ in told), default=0)
    out = console()
    out.print(Text(title, style="bold"))
    for name, value in told:
        label = f"  {name}{' ' * (width - cell_len(name) + _GAP)}"
        out.print(Text(label, style="dim").append(value.replace("\n", "\n" + " " * len(label)), style="not dim"))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; on a terminal, those that do not fit are left out and counted."""
    out = console()
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*cells, strict=True)]
    n_shown = _fitting(widths, out.width) if out.is_terminal else len(widths)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name, width in zip(cells[0][:n_shown], widths, strict=False):
        table.add_column(Text(name), no_wrap=True, min_width=width)
    for row in cells[1:]:
        table.add_row(*[Text(cell) for cell in row[:n_shown]])
    if not out.is_terminal:  # a pipe gets every column, however wide
        out.width = sum(widths) + _GAP * len(widths)
    out.print(table)
    if n_shown < len(columns):
        out.print(Text(f"{len(columns) - n_shown} more columns do not fit here: widen the terminal, or use --json"))


def _fitting(widths: Sequence[int], available: int) -> int:
    """How many of the first columns fit; at least one."""
    used, n = 0, 0
    for width in widths:
        used += width + _GAP
        if used - _GAP > available and n:
            break
        n += 1
    return n
