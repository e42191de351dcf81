"""Models that a host does not load any more: ls, lift. Part of `hosts`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.output import Column, emit, show_list
from cli.paths import path_of
from cli.phrases import ago

app = group("Models barred from a host that they brought down, or crashed on again and again.")

_COLUMNS = (
    Column("MODEL", lambda barred: barred["model"]),
    Column("HOST", lambda barred: barred["host"], whole=True),
    Column("SINCE", lambda barred: ago(barred["since"])),
    Column("REASON", lambda barred: barred["reason"]),
)


@app.command("ls")
def list_quarantines(as_json: options.AsJson = False) -> None:
    """List what is barred where, and why."""
    with connect() as client:
        barred = client.get("/v1/quarantines")["data"]
    show_list(barred, _COLUMNS, as_json=as_json, empty="Nothing is in quarantine.")


@app.command()
def lift(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name or reference.")],
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host that may load it again.")],
    as_json: options.AsJson = False,
) -> None:
    """Let a host load a model again."""
    with connect() as client:
        lifted = client.delete(path_of("quarantine", model, host))
    emit(lifted) if as_json else typer.echo(f"{lifted['id']} released")
