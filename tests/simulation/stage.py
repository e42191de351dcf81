"""The database that seeds play on: opened once, emptied for each."""

from __future__ import annotations

from sqlalchemy import text

from shared import schema
from shared.db import Database
from shared.tables import Base

#: Virtual time starts here; long ago, so that a real clock would be noticed.
BEGINNING = 1_000_000.0

#: In memory: what a crash of the database itself costs is not what is asked here.
FAST = "sqlite://"


class Stage:
    """A migrated database whose clock is ours."""

    def __init__(self, url: str = FAST) -> None:
        self.time = BEGINNING
        self.database = Database(url, clock=lambda: self.time)
        schema.upgrade(self.database)
        names = [table.name for table in reversed(Base.metadata.sorted_tables)]
        self._empty = (
            [text(f"DELETE FROM {name}") for name in names]  # noqa: S608 - names of our own tables
            if self.database.sqlite
            else [text(f"TRUNCATE {', '.join(names)}")]
        )

    def clear(self) -> None:
        """No rows, and the beginning of time."""
        self.time = BEGINNING
        with self.database.write() as session:
            for statement in self._empty:
                session.connection().execute(statement)

    def close(self) -> None:
        self.database.close()
