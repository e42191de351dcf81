"""What commands print on standard output: tables, facts, or JSON with one object per line.

On a terminal a table has colours and fits the width, as far as that cuts nothing that other commands need; anywhere
else it is plain text of aligned columns, never cut.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import typer

from cli.terminal import coloured, harmless

#: An object as the front door sent it.
Json = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table: its title and how a cell is read from an object."""

    title: str
    cell: Callable[[Json], str]
    right: bool = False
    #: Other commands need it as it is: it is never cut. So is the first column of each table.
    whole: bool = False


def emit(thing: Mapping[str, Any]) -> None:
    """One object as one line of JSON."""
    typer.echo(json.dumps(thing, ensure_ascii=False, separators=(",", ":")))


def show_list(things: Iterable[Json], columns: Sequence[Column], *, as_json: bool, empty: str) -> None:
    """A list as a table, or as JSON lines; an empty table says on standard error what to do next."""
    if as_json:
        for thing in things:
            emit(thing)
        return
    rows = [[harmless(column.cell(thing)) for column in columns] for thing in things]
    if not rows:
        typer.echo(empty, err=True)
    elif coloured(sys.stdout):
        _rich_table(columns, rows)
    else:
        _plain_table(columns, rows)


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values of one thing, a line each; empty values are left out."""
    kept = [(name, harmless(value)) for name, value in facts if value]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        indented = value.replace("\n", "\n" + " " * (width + 2))
        painted = typer.style(name.ljust(width), dim=True) if coloured(sys.stdout) else name.ljust(width)
        typer.echo(f"{painted}  {indented}")


def _plain_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def _rich_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    lines = [[column.title for column in columns], *rows]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    kept = {0} | {i for i, column in enumerate(columns) if column.whole}
    gaps = 2 * (len(columns) - 1)
    _shrink(widths, kept, console.width - gaps)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.title, justify=side, width=width, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=_STATE_STYLES.get(cell, "")) for cell in row))
    # Where even that is too wide, the terminal goes on in its next line.
    console.width = max(console.width, sum(widths) + gaps)
    console.print(table)


def _shrink(widths: list[int], kept: Collection[int], room: int) -> None:
    """Take from the widest columns until all fit: nothing from those `kept`, and not all that says something."""
    cut = [i for i in range(len(widths)) if i not in kept]
    while cut and sum(widths) > room:
        widest = max(cut, key=widths.__getitem__)
        if widths[widest] <= _LEAST:
            return
        widths[widest] -= 1


#: Letters of a column that is cut.
_LEAST = 6
_STATE_STYLES = {
    "succeeded": "green", "ready": "green", "up": "green", "ok": "green",
    "running": "cyan", "starting": "cyan", "assigned": "cyan",
    "failed": "red", "silent": "red", "fail": "red",
    "cancelled": "yellow", "warn": "yellow", "stopping": "yellow",
}  # fmt: skip
