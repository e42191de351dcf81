"""The database: upgrade, check."""

from __future__ import annotations

import typer

from cli.app import group
from cli.exits import Exit

app = group("The database.")


@app.command()
def upgrade() -> None:
    """Make the database, or bring it up to date; `cidermill up` does it by itself."""
    from cli.database import open_database
    from shared.schema import upgrade as run_upgrade

    with open_database() as database:
        run_upgrade(database)
        typer.echo(f"{database.url.render_as_string(hide_password=True)} is up to date")


@app.command()
def check() -> int:
    """See that all migrations are made and that no invariant is broken."""
    from cli.database import current_database
    from shared.invariants import broken

    with current_database() as database, database.read() as session:
        violations = broken(session)
    for violation in violations:
        typer.echo(f"{violation.code} {violation.sentence}")
    typer.echo(f"{len(violations)} invariants broken" if violations else "All migrations made, no invariant broken.")
    return Exit.FAILED if violations else Exit.OK
