"""Commands found as files, so that `cidermill --help` imports none of them and a call imports one."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

from cli.metavars import name_values

_FOLDER = Path(__file__).parent / "commands"


class Commands(TyperGroup):
    """A group whose members are the files of `cli/commands/`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        files = sorted(path for path in _FOLDER.glob("*.py") if path.stem != "__init__")
        self.commands = {path.stem: _promise(path) for path in files}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, imported now; an unknown one raises and says which was meant."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, (_load(name) if name else None), rest


def _promise(path: Path) -> TyperCommand:
    """What the list of commands shows of a file, read without running it."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return TyperCommand(path.stem, help=docstring.partition("\n\n")[0].replace("\n", " "))


def _load(name: str) -> Any:
    command = name_values(typer.main.get_command(import_module(f"cli.commands.{name}").app))
    command.name = name
    return command
