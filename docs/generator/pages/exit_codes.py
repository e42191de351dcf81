"""`exit-codes.md`: what the exit codes of `cidermill` mean."""

from __future__ import annotations

import inspect

import cli.exits
from cli.exits import Exit
from cli.problems import exit_of
from docs.generator.markdown import code, table
from docs.generator.pages.errors import error_classes

_TOP = """\
# Exit codes

For whoever calls `cidermill` from a script. {codes}

A command that waits for jobs (`submit --wait`, `jobs wait`, `jobs logs -f`) ends with 0, 1 or 7 as they end; with
several jobs, with the code of the first one that did not succeed. Ctrl-C while following ends only the following: the
job goes on, and the command says how to come back.

"""


def page() -> str:
    by_exit: dict[Exit, list[str]] = {}
    for error in error_classes():
        by_exit.setdefault(exit_of(error("")), []).append(code(error.code))
    rows = [(", ".join(codes), f"{exit_.value}") for exit_, codes in sorted(by_exit.items())]
    return _TOP.format(codes=inspect.getdoc(cli.exits)) + table(("error codes", "exit code"), rows)
