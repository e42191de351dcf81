"""How a command's Typer is made, alike for all of them."""

from __future__ import annotations

import typer


def command() -> typer.Typer:
    """For a file with one command, which takes the file's name."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def group(about: str) -> typer.Typer:
    """For a file with several commands under the file's name."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=about)
