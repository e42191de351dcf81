"""The schema: made, taken back, made again, and the same as the tables say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from shared import schema
from shared.db import Database
from shared.tables import Base
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'new' / 'cidermill.db'}")
        yield database
        database.close()
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    database = Database(server.create("empty"))
    yield database
    database.close()
    server.drop("empty")


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_an_empty_database_is_not_current_until_it_is_upgraded(empty: Database) -> None:
    assert not schema.is_current(empty)
    schema.upgrade(empty)
    assert schema.is_current(empty)
    assert tables(empty) == set(Base.metadata.tables)


def test_an_upgrade_can_be_taken_back_and_made_again(empty: Database) -> None:
    schema.upgrade(empty)
    schema.downgrade(empty)
    assert tables(empty) == set()
    assert not schema.is_current(empty)
    schema.upgrade(empty)
    assert schema.is_current(empty)


def test_the_migrations_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    schema.upgrade(empty)
    schema.check(empty)


def test_upgrading_a_current_database_changes_nothing(database: Database) -> None:
    schema.upgrade(database)
    assert schema.is_current(database)


def test_the_indexes_are_those_of_the_tables(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in Base.metadata.tables.values():
        found = {index["name"] for index in inspector.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= found


def test_references_are_enforced_again_after_a_migration(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    schema.upgrade(database)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_an_installed_package_finds_its_migrations(tmp_path: Path) -> None:
    """The wheel carries `alembic/` as `shared/migrations/`."""
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "alembic", tmp_path / "shared" / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import shared.schema as schema; from shared.db import Database\n"
        "database = Database('sqlite:///cidermill.db'); schema.upgrade(database)\n"
        "assert schema.is_current(database); print(schema.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path.resolve()))
