"""The database, when this machine has it: reachable, migrated, no invariant broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.database import open_database
from cli.doctor.finding import Finding, fail, ok
from shared.db import Database
from shared.errors import Unavailable
from shared.invariants import broken
from shared.schema import is_current
from shared.settings import Settings


def has_database(settings: Settings) -> bool:
    """Is the database a setting or a file of this machine?"""
    return settings.database_url is not None or (settings.state_dir / "cidermill.db").exists()


def check_database(settings: Settings) -> Iterator[Finding]:
    """Reachable, migrated, its invariants."""
    try:
        with open_database() as database:
            yield from _look(database)
    except Unavailable as error:
        yield fail("database", f"{error.problem.what}: {error.problem.why}", error.problem.fix)


def _look(database: Database) -> Iterator[Finding]:
    where = database.url.render_as_string(hide_password=True)
    if not is_current(database):
        yield fail("database", f"{where} lacks migrations", "run: cidermill db upgrade")
        return
    yield ok("database", f"{where}, all migrations made{_file_size(database)}")
    with database.read() as session:
        violations = broken(session)
    for violation in violations:
        yield fail("invariants", str(violation), "keep the database file and report it with the logs")
    if not violations:
        yield ok("invariants", "all hold")


def _file_size(database: Database) -> str:
    path = Path(database.url.database or "") if database.sqlite else None
    return f", {path.stat().st_size / 1024**2:.1f} MiB" if path is not None and path.exists() else ""
