"""The database: upgrade, check."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli import options
from cli.app import group
from cli.exits import Exit
from cli.output import emit

app = group("The database.")


@app.command()
def upgrade(as_json: options.AsJson = False) -> None:
    """Make the database, or bring it up to date; `cidermill up` does it by itself."""
    from cli.database import open_database
    from shared.schema import upgrade as run_upgrade

    with open_database() as database:
        run_upgrade(database)
        url = database.url.render_as_string(hide_password=True)
    emit({"url": url}) if as_json else typer.echo(f"{url} is up to date")


@app.command()
def check(as_json: options.AsJson = False) -> int:
    """See that all migrations are made and that no invariant is broken."""
    from cli.database import current_database
    from shared.invariants import broken

    with current_database() as database, database.read() as session:
        violations = broken(session)
    if as_json:
        emit({"broken": [asdict(violation) for violation in violations]})
    else:
        for violation in violations:
            typer.echo(f"{violation.code} {violation.sentence}")
        count = len(violations)
        typer.echo(f"{count} invariants broken" if count else "All migrations made, no invariant broken.")
    return Exit.FAILED if violations else Exit.OK
