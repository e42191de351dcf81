"""The log of what admins did."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.output import Column, show_list
from cli.phrases import iso

app = command()

_COLUMNS = (
    Column("WHEN", lambda entry: iso(entry["at"])),
    Column("KEY", lambda entry: entry["name"]),
    Column("FROM", lambda entry: entry["address"]),
    Column("ACTION", lambda entry: entry["action"]),
    Column("PATH", lambda entry: entry["path"]),
    Column("OUTCOME", lambda entry: entry["outcome"]),
)


@app.command()
def audit(
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only what this key did.")] = None,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """Show what was changed with an admin's rights, or tried to be, the newest first."""
    with connect() as client:
        entries = client.get("/v1/audit", key=key, limit=limit)["data"]
    show_list(entries, _COLUMNS, as_json=as_json, empty="Nobody has changed anything yet.")
