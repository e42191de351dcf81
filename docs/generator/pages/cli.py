"""`cli.md`: every command with its arguments and options."""

from __future__ import annotations

from typing import Any

from docs.generator.commands import Command, commands, root
from docs.generator.markdown import anchor, code, table

_TOP = """\
# Command line

For whoever types `cidermill`: every command, as `--help` says it. What the exit codes mean is in
[exit codes](exit-codes.md), what the settings are in [settings](config.md).

Results go to standard output, words for people to standard error. Lists and objects can be had as JSON with `--json`,
one object per line for lists. On a terminal there are tables and progress bars; `NO_COLOR` takes the colours away.
"""


def page() -> str:
    found = list(commands())
    index = [(f"[{command.name}](#{anchor(command.name)})", command.help) for command in found]
    before = f"These options come before any command.\n\n{_params(root())}\n"
    return "\n".join([_TOP, before, table(("command", "does"), index), "", *(_section(command) for command in found)])


def _section(command: Command) -> str:
    usage = " ".join([command.name, *command.context.command.collect_usage_pieces(command.context)])
    return f"## {command.name}\n\n{command.help}\n\n```\n{usage}\n```\n\n{_params(command)}\n"


def _params(command: Command) -> str:
    rows = [_row(param, command.context) for param in command.params if "--help" not in param.opts]
    return table(("argument or option", "meaning"), rows) if rows else "No options."


def _row(param: Any, context: Any) -> tuple[str, str]:
    names, said = param.get_help_record(context)
    return code(names), said
