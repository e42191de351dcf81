"""The log of requests through the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.output import Column, show_list
from cli.phrases import iso, span

app = command()

_COLUMNS = (
    Column("WHEN", lambda call: iso(call["at"])),
    Column("REQUEST", lambda call: call["request_id"], whole=True),
    Column("KEY", lambda call: call["key"] or "loopback"),
    Column("MODEL", lambda call: call["model"]),
    Column("PATH", lambda call: call["path"]),
    Column("OUTCOME", lambda call: call["outcome"]),
    Column("TOKENS", lambda call: str(call["prompt"] + call["completion"]), right=True),
    Column("TIME", lambda call: span(call["seconds"]), right=True),
)


@app.command()
def calls(
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only what this key asked.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model, as the client called it.")] = None,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """Show who asked which model, how it ended and what it took, the newest first; keys see their own."""
    with connect() as client:
        found = client.get("/v1/calls", key=key, model=model, limit=limit)["data"]
    show_list(found, _COLUMNS, as_json=as_json, empty="Nothing was asked yet.")
