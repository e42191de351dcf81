"""Run this machine's agent, which offers its runtimes."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.app import command
from cli.token_file import keep_token
from cli.up.parent import end_with_parent
from shared.settings import load_settings

app = command()


@app.command()
def agent(
    join: Annotated[str | None, typer.Option("--join", metavar="URL", help="The front door of the fleet.")] = None,
    token: Annotated[str | None, typer.Option(help="What `cidermill hosts join NAME` printed; kept for later.")] = None,
    name: Annotated[str | None, typer.Option(help="This host's name in the fleet; default: its own.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory that runs may hold, such as 12GiB.")] = None,
) -> int:
    """Run this machine's agent; the token is needed the first time only."""
    from workers.agent.main import run

    end_with_parent()
    settings = load_settings(url=join, host_token=token, host_name=name, memory=memory)
    if token is not None:
        keep_token(settings, token)
    return run(settings)
