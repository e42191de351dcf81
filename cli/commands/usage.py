"""What keys used of which model, day by day."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.output import Column, show_list
from cli.phrases import span

app = command()

_COLUMNS = (
    Column("DAY", lambda row: row["day"]),
    Column("KEY", lambda row: row["key"] or "loopback"),
    Column("MODEL", lambda row: row["model"]),
    Column("REQUESTS", lambda row: str(row["requests"]), right=True),
    Column("PROMPT", lambda row: str(row["prompt"]), right=True),
    Column("CACHED", lambda row: str(row["cached"]), right=True),
    Column("COMPLETION", lambda row: str(row["completion"]), right=True),
    Column("AUDIO", lambda row: span(row["audio"]) if row["audio"] else "", right=True),
    Column("TIME", lambda row: span(row["seconds"]), right=True),
    Column("JOULES", lambda row: "" if row["joules"] is None else f"{row['joules']:.0f}", right=True),
)


@app.command()
def usage(
    since: Annotated[str | None, typer.Option(metavar="DAY", help="First day (UTC), as in 2026-11-21.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day (UTC).")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only what this key used.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show requests, tokens, recordings and time per day, key and model; keys that are no admin's see their own."""
    with connect() as client:
        rows = list(client.every("/v1/usage", since=since, until=until, key=key, model=model))
    show_list(rows, _COLUMNS, as_json=as_json, empty="Nothing was used.")
