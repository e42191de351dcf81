"""Run the front door: the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.app import command
from cli.up.parent import end_with_parent
from shared.settings import load_settings

app = command()


@app.command()
def api(
    host: Annotated[str | None, typer.Option(help="Address to bind to.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
) -> int:
    """Run the front door; `cidermill db upgrade` first makes or updates its database."""
    from api.main import run
    from shared.logs import told_whole

    end_with_parent()
    with told_whole():
        return run(load_settings(host=host, port=port))
