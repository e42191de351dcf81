"""`INSERT … ON CONFLICT`, which SQLite and PostgreSQL spell alike and SQLAlchemy twice."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.orm import Session


def insert_for(session: Session, table: Any) -> SqliteInsert | PostgresInsert:
    """An insert of this session's database, with its `on_conflict_…` methods."""
    return SqliteInsert(table) if session.get_bind().dialect.name == "sqlite" else PostgresInsert(table)
