"""The commands of `cidermill`, as Typer knows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
import typer.main

from cli.main import app


@dataclass(frozen=True)
class Command:
    """One command that does something; `path` is all its words, `params` its options and arguments."""

    path: tuple[str, ...]
    context: Any

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def help(self) -> str:
        return " ".join((self.context.command.help or "").split())

    @property
    def params(self) -> list[Any]:
        return [param for param in self.context.command.params if not getattr(param, "hidden", False)]


def root() -> Command:
    """`cidermill` itself, with the options that go before every command."""
    name = "cidermill"
    return Command((name,), typer.Context(typer.main.get_command(app), info_name=name))


def commands(of: Command | None = None) -> Iterator[Command]:
    """Every command below `of` that is not a group, in the order of its help."""
    above = of or root()
    for name in above.context.command.commands:
        _, found, _ = above.context.command.resolve_command(above.context, [name])
        command = Command((*above.path, name), typer.Context(found, info_name=name, parent=above.context))
        if hasattr(found, "commands"):
            yield from commands(command)
        else:
            yield command
