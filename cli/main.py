"""`cidermill`: wires the commands together and turns every error into three parts and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.discovery import Commands
from cli.exits import Exit

if TYPE_CHECKING:
    from shared.errors import CidermillError

# Plain help: drawing boxes would take longer than everything else together.
app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cidermill {version('cidermill')}")
        raise typer.Exit


@app.callback(epilog="Exit codes: " + ", ".join(f"{code.value} {code.name.lower()}" for code in Exit))
def root(
    home: Annotated[str | None, typer.Option(metavar="DIR", help="One folder for state, files and settings.")] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="The front door to talk to.")] = None,
    api_key: Annotated[str | None, typer.Option(metavar="KEY", help="The API key to send.")] = None,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """One queue for every AI job on your Macs."""
    # The environment is where settings look next; these options speak for it, here and in the processes we start.
    given = {"CIDERMILL_HOME": home and str(Path(home).resolve()), "CIDERMILL_URL": url, "CIDERMILL_API_KEY": api_key}
    os.environ.update({name: value for name, value in given.items() if value})


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors that people can meet are printed, not raised."""
    try:
        code = typer.main.get_command(app).main(list(arguments), "cidermill", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except SystemExit as left:
        # `cidermill jobs ls | head`: the reader has what it wants. Typer leaves like this when a pipe is closed.
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        _write_no_more()
        return Exit.OK
    except typer.TyperException as error:
        from cli.problems import show_usage

        return show_usage(error)
    except _known_errors() as error:
        from cli.problems import exit_of, show

        show(error.problem)
        return exit_of(error)
    except (OSError, UnicodeError) as error:
        from cli.problems import of_system, show

        _flush()
        show(of_system(error))
        return Exit.FAILED
    return code if isinstance(code, int) else Exit.OK


def _write_no_more() -> None:
    """What standard output still holds goes nowhere: Python would try to write it at the end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _write_no_more()


def main() -> None:
    """The entry point. What nobody foresaw is told to a person in three parts, to a log with where it came from."""
    try:
        code = run(sys.argv[1:])
    except Exception as error:
        if not sys.stderr.isatty():
            raise
        code = _show_unforeseen(error)
    sys.exit(code)


def _show_unforeseen(error: Exception) -> Exit:
    from cli.problems import show
    from shared.errors import Problem

    show(
        Problem(
            code="unforeseen",
            what="Cidermill met something it does not know",
            why=f"{type(error).__name__}: {error}",
            fix="see that the front door is of this version (cidermill doctor); for a report, add 2>error.log",
        )
    )
    return Exit.FAILED


def _known_errors() -> type[CidermillError]:
    """Imported when something went wrong: it takes a third of the time of `--help`."""
    from shared.errors import CidermillError

    return CidermillError
