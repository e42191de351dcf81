"""Errors as people see them: Error, Cause, To fix, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from cli.exits import Exit
from cli.terminal import coloured, harmless
from shared import errors
from shared.errors import CidermillError, Problem

#: The first class that fits decides, so children stand before their parents.
_BY_CLASS: tuple[tuple[type[CidermillError], Exit], ...] = (
    (errors.Unauthorized, Exit.AUTH),
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.CannotFit, Exit.REJECTED),
    (errors.Unavailable, Exit.UNREACHABLE),
    (errors.NoCapacity, Exit.REJECTED),
    (errors.Conflict, Exit.REJECTED),
    (errors.PayloadTooLarge, Exit.REJECTED),
    (errors.Cancelled, Exit.CANCELLED),
    (errors.BadRequest, Exit.USAGE),
    (errors.ConfigError, Exit.USAGE),
)


def show(problem: Problem) -> None:
    """Print the three parts on standard error; parts that are empty are left out."""
    colour = coloured(typer.get_text_stream("stderr"))
    for label, text in (("Error", problem.what), ("Cause", problem.why), ("To fix", problem.fix)):
        if text:
            painted = typer.style(f"{label}:", fg="red" if label == "Error" else None, bold=True)
            typer.echo(f"{painted if colour else f'{label}:'} {harmless(text)}", err=True)


def exit_of(error: CidermillError) -> Exit:
    """The exit code that tells a script what kind of error it was."""
    return next((code for cls, code in _BY_CLASS if isinstance(error, cls)), Exit.FAILED)


def of_system(error: OSError | UnicodeError) -> Problem:
    """A file, a stream or a text that the system does not let us use."""
    if isinstance(error, OSError):
        what = f"{error.filename or 'A file or stream'} cannot be used"
        fix = "see that it is what it should be, that you may use it, and that its disk has room"
        return Problem(code="system", what=what, why=(error.strerror or str(error)).lower(), fix=fix)
    why = f"{error.reason} at position {error.start}" if isinstance(error, _MISREAD) else str(error)
    return Problem(code="system", what="A text cannot be used", why=why, fix="give all texts in UTF-8")


_MISREAD = (UnicodeDecodeError, UnicodeEncodeError)


def show_usage(error: typer.TyperException) -> Exit:
    """Say what is wrong with the command line; where only the command is missing, its help says it all."""
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if context is not None and text == context.get_help():
        typer.echo(text, err=True)
    else:
        command = context.command_path if context is not None else "cidermill"
        show(Problem(code="usage", what="The command line cannot be read", why=text, fix=f"see {command} --help"))
    return Exit.USAGE


def error_from(problem: Problem, status: int) -> CidermillError:
    """The typed error behind a problem that came over the wire, found by its code, else by its HTTP status."""
    for cls in _family(CidermillError):
        if cls.code == problem.code:
            return _made(cls, problem)
    by_status = (cls for cls in _family(CidermillError) if cls.status == status and status != CidermillError.status)
    return _made(next(by_status, CidermillError), problem)


def read_problem(body: Any, status: int) -> Problem:
    """The problem in a JSON body of the front door; a body of any other shape becomes one that quotes it."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and "what" in error:
        return Problem.model_validate({name: error[name] for name in Problem.model_fields if error.get(name)})
    if isinstance(error, dict) and "message" in error:
        # OpenAI's shape, which `/v1/chat/` answers: the three parts are one sentence.
        said, _, fix = str(error["message"]).partition(". To fix: ")
        what, _, why = said.partition(": ")
        return Problem(code=error.get("code") or "http_error", what=what, why=why, fix=fix)
    return Problem(
        code="http_error",
        what=f"The server answered with HTTP {status}",
        why=str(body)[:300],
        fix="see that the address is a Cidermill front door: cidermill config show",
    )


def _family(cls: type[CidermillError]) -> Iterator[type[CidermillError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def _made(cls: type[CidermillError], problem: Problem) -> CidermillError:
    error = cls(problem.what, problem.why, problem.fix)
    error.problem = problem
    return error
