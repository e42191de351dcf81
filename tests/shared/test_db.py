"""The database as a whole."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db import Database


def test_a_mistake_tells_nothing_of_what_was_to_be_written(database: Database) -> None:
    """It goes into the log, which holds no prompts."""
    with pytest.raises(DBAPIError) as mistake, database.write() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:prompt)"), {"prompt": "sesame"})
    assert "nowhere" in str(mistake.value)
    assert "sesame" not in str(mistake.value)


@pytest.mark.parametrize("pragma", ["fullfsync", "checkpoint_fullfsync", "foreign_keys"])
def test_what_sqlite_leaves_off_by_itself_is_on(sqlite_url: str, pragma: str) -> None:
    database = Database(sqlite_url)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == 1
    database.close()
