"""What stands for a value in help: a word in capitals, as in `--host HOST`, instead of the name of a Python type."""

from __future__ import annotations

from typing import Any

_BY_TYPE = {int: "N", float: "X"}


def name_values(command: Any) -> Any:
    """The same command, or group with all its commands, with a word for every value that has none."""
    for below in getattr(command, "commands", {}).values():
        name_values(below)
    for param in command.params:
        if param.param_type_name == "argument":
            param.metavar = param.metavar or _word(param)
            # Its word is said already; beside it Typer would name its type.
            param.display_type_rich = _nothing
        elif not param.is_flag and not param.count and not param.type_descriptor.is_choice:
            param.metavar = param.metavar or _word(param)
    return command


def _word(param: Any) -> str:
    """A number's letter, else the last word of its name: `--max-tokens N`, `--queue-by LABEL` says its own."""
    annotation = param.type_descriptor.annotation
    if annotation in _BY_TYPE:
        return _BY_TYPE[annotation]
    if param.type_descriptor.is_path:
        return "FILE"
    name = max((opt.lstrip("-") for opt in param.opts), key=len) if param.opts else param.name
    return str(name).rpartition("-")[2].upper()


def _nothing(ctx: Any) -> None:
    """For no type beside the word."""
