"""Run this machine's agent, which offers its runtimes."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import SecretStr

from cli.app import command
from cli.client import connect
from cli.token_file import keep_token
from cli.up.parent import end_with_parent
from shared.settings import Settings, load_settings

app = command()

#: What API keys begin with; a host's token does not.
_KEY = "ck_"


@app.command()
def agent(
    join: Annotated[str | None, typer.Option("--join", metavar="URL", help="The front door of the fleet.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="What `cidermill hosts join NAME` printed, or a key of the role worker; the host's token is kept."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="This host's name in the fleet; default: its own.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory that runs may hold, such as 12GiB.")] = None,
) -> int:
    """Run this machine's agent; the token is needed the first time only."""
    from shared.logs import told_whole
    from workers.agent.main import run

    end_with_parent()
    settings = load_settings(url=join, host_token=token, host_name=name, memory=memory)
    if token is not None:
        if token.startswith(_KEY):
            token = _joined(settings, token)
            settings = settings.model_copy(update={"host_token": SecretStr(token)})
        keep_token(settings, token)
    with told_whole():
        return run(settings)


def _joined(settings: Settings, key: str) -> str:
    """The token that the front door gives this host for a key of the role worker."""
    with connect(settings.model_copy(update={"api_key": SecretStr(key)})) as client:
        return str(client.post("/v1/hosts/join", {"name": settings.host_name, "labels": settings.labels})["token"])
