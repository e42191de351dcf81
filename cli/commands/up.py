"""Run everything on this machine; Ctrl-C stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn

import typer

from cli.app import command
from cli.exits import Exit
from cli.terminal import remark
from cli.up.console import Console
from cli.up.stack import Stack
from shared.settings import load_settings

app = command()


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address the front door binds to.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the front door; 0 picks a free one.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory that runs may hold, such as 12GiB.")] = None,
) -> int:
    """Run everything on this machine; Ctrl-C stops all of it, a second Ctrl-C at once."""
    chosen = {"CIDERMILL_HOST": host, "CIDERMILL_PORT": port, "CIDERMILL_MEMORY": memory}
    os.environ.update({name: str(value) for name, value in chosen.items() if value is not None})
    settings = load_settings()
    stack = Stack(settings, Console())
    _on_signals(_interrupt)
    with stack.running():
        remark(f"Cidermill is up at {stack.url}. Ctrl-C stops it.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        remark("Stopping; Ctrl-C again ends everything at once.")
    return Exit.OK


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _on_signals(handler: Callable[[int, FrameType | None], NoReturn]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)
