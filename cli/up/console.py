"""What the parts say, line by line, each with its name before it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import IO

import typer

from cli.terminal import coloured

_COLOURS = {"api": "cyan", "scheduler": "magenta", "agent": "green", "valkey": "yellow"}
_WIDTH = 10


class Console:
    """Prints to standard error; lines of different parts never mix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colour = coloured(sys.stderr)

    def __call__(self, name: str, line: str) -> None:
        label = name.ljust(_WIDTH)
        painted = typer.style(label, fg=_COLOURS.get(name)) if self._colour else label
        with self._lock:
            typer.echo(f"{painted}| {line}", err=True)


class LogFile:
    """Writes to one file instead: for a caller who has the screen for something else."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file: IO[str] = path.open("a", buffering=1)

    def __call__(self, name: str, line: str) -> None:
        with self._lock:
            self._file.write(f"{name.ljust(_WIDTH)}| {line}\n")
