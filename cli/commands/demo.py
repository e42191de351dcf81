"""See it all work on real models, in a folder of its own."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from cli.app import command
from cli.demo.show import run_demo

app = command()


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="The demo's folder; emptied first.")] = Path(
        ".demo"
    ),
) -> None:
    """Run real jobs of all kinds through a real queue, kill a worker on the way, and check every result."""
    signal.signal(signal.SIGTERM, _stop)
    run_demo(folder.resolve())


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as on Ctrl-C: stop everything first."""
    raise KeyboardInterrupt
