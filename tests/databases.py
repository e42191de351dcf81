"""Both databases for tests: each test gets an empty, migrated one of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import schema
from shared.db import Database
from shared.tables import Base
from tests.fleet import Fleet
from tests.postgres import Postgres, start_postgres


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema."""
    database = Database(url)
    schema.upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of a session."""
    server = start_postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_migrated(postgres_server: Postgres) -> str:
    """The URL of a migrated PostgreSQL database."""
    url = postgres_server.create("migrated")
    migrate(url)
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated, empty SQLite file."""
    path = tmp_path / "cidermill.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: Postgres, postgres_migrated: str) -> str:
    """The URL of a migrated, empty PostgreSQL database: emptying one is ten times faster than copying one."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    postgres_server.disconnect("migrated")
    postgres_server.command(f"TRUNCATE {tables} RESTART IDENTITY", "migrated")
    return postgres_migrated


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database: the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database: the test runs on SQLite and on PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def fleet(database_url: str) -> Iterator[Fleet]:
    """A fleet on a clock of its own: the test runs on SQLite and on PostgreSQL."""
    opened = Fleet(database_url)
    yield opened
    opened.close()
