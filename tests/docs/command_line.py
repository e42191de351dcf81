"""Reads `cidermill …` as Typer would, and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from docs.generator.commands import Command, commands, root


def check(words: Sequence[str]) -> None:
    """Parse a whole command line, the program's name left out. Raises what Typer raises for a wrong one."""
    command, rest = find(words)
    command.context.command.make_context(command.name, list(rest), parent=command.context.parent)


def check_names(words: Sequence[str]) -> None:
    """Only the names: a mention in a sentence may leave out what is required. Raises LookupError."""
    command, rest = find(words)
    known = {"--help", *(name for param in command.params for name in [*param.opts, *param.secondary_opts])}
    for word in rest:
        if word.startswith("-") and len(word) > 1 and word.partition("=")[0] not in known:
            raise LookupError(f"{command.name} has no option {word}")


def find(words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """The command that the words name, and what is left for it. Raises LookupError."""
    left = _after_root_options(words)
    for length in (3, 2, 1):
        command = _known().get(tuple(left[:length]))
        if command is not None:
            return command, left[length:]
    raise LookupError(f"there is no command {' '.join(left[:2])}")


@cache
def _known() -> dict[tuple[str, ...], Command]:
    return {command.path[1:]: command for command in commands()}


def _after_root_options(words: Sequence[str]) -> list[str]:
    valued = {name for param in root().params if not param.is_flag for name in param.opts}
    left = list(words)
    while left and left[0].startswith("-"):
        del left[: 2 if left[0] in valued else 1]
    return left
