"""What commands print on standard output: tables, facts, or JSON with one object per line.

On a terminal a table has colours and fits the width; anywhere else it is plain text of aligned columns, never cut.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=_STATE_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


_STATE_STYLES = {
    "succeeded": "green", "ready": "green", "up": "green", "ok": "green",
    "running": "cyan", "starting": "cyan", "assigned": "cyan",
    "failed": "red", "silent": "red", "fail": "red",
    "cancelled": "yellow", "warn": "yellow", "stopping": "yellow",
}  # fmt: skip
