"""The database that seeds play on: opened once, emptied for each."""

from __future__ import annotations

from itertools import count
from typing import Any

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
            [text(f"DELETE FROM {name}") for name in names]
            if self.database.sqlite
            else [text(f"TRUNCATE {', '.join(names)}")]
        )
        # Looks go past SQLAlchemy, since there are many after every step; a database in memory has one connection.
        self._looks = self.database.engine.raw_connection()
        self._driver: Any = self._looks.driver_connection
        assert self._driver is not None
        if not self.database.sqlite:
            self._driver.autocommit = True
        self._numbers = count()

    def clear(self) -> None:
        """No rows, and the beginning of time."""
        self.time = BEGINNING
        with self.database.write() as session:
            for statement in self._empty:
                session.connection().execute(statement)

    def version(self) -> int:
        """Another number after each change; where changes are not counted, after each question."""
        in_memory = self.database.sqlite and not self.database.url.database
        return int(self._driver.total_changes) if in_memory else next(self._numbers)

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of what is committed."""
        cursor = self._driver.cursor()
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.close()
        return rows

    def close(self) -> None:
        self._looks.close()
        self.database.close()
