"""Check this installation; say how to fix what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict

import typer

from cli import options
from cli.app import command
from cli.doctor.database import check_database, has_database
from cli.doctor.finding import Finding, Status
from cli.doctor.fleet import check_fleet
from cli.doctor.machine import check_machine
from cli.doctor.memory import check_memory
from cli.exits import Exit
from cli.output import emit
from cli.terminal import coloured, harmless
from shared.settings import load_settings

app = command()

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@app.command()
def doctor(as_json: options.AsJson = False) -> int:
    """Check this installation; exit 1 when something is broken, each finding with its fix."""
    failed = False
    for finding in _findings():
        failed |= finding.status is Status.FAIL
        if as_json:
            emit(asdict(finding))
        else:
            _print(finding)
    return Exit.FAILED if failed else Exit.OK


def _findings() -> Iterator[Finding]:
    settings = load_settings()
    yield from check_machine(settings)
    yield from check_memory(settings)
    if has_database(settings):
        yield from check_database(settings)
    yield from check_fleet(settings)


def _print(finding: Finding) -> None:
    status = finding.status.ljust(4)
    painted = typer.style(status, fg=_COLOURS[finding.status]) if coloured(sys.stdout) else status
    typer.echo(f"{painted}  {finding.name.ljust(16)} {harmless(finding.says)}")
    if finding.fix:
        typer.echo(f"      Fix: {harmless(finding.fix)}")
