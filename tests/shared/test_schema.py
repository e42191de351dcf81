"""The schema: made, taken back, made again, and the same as the tables say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import column, insert, inspect, select, table, text

from shared import schema
from shared.db import Database
from shared.tables import Base, Learned, Model, Result, is_failed_result
from tests.postgres import Postgres
from tests.scheduler.rows import add_jobs

ROOT = Path(__file__).resolve().parents[2]
_MODEL = {"id": "m", "name": "m", "provider": "local", "repo": "m", "format": "gguf", "size": 1, "created_at": 1.0}
_PEAK = {
    "model_id": "m", "runtime": "llama-cpp", "version": "1", "context": 4096, "slots": 4, "params": "",
    "peak": 800, "estimate": 1000, "samples": 3, "updated_at": 1.0,
}  # fmt: skip


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


def test_what_was_learned_before_slots_were_counted_is_kept_as_learned_from_one(empty: Database) -> None:
    schema.upgrade(empty)
    schema.downgrade(empty, "0004")
    with empty.write() as session:
        session.execute(insert(Model).values(_MODEL))
        session.execute(table("learned", *map(column, _PEAK)).insert().values(_PEAK))
    schema.upgrade(empty)
    with empty.read() as session:
        learned = session.scalars(select(Learned)).one()
        assert (learned.peak, learned.estimate, learned.busy) == (800, 1000, 1)
    schema.downgrade(empty, "0004")
    assert {"busy", "busy_most"}.isdisjoint(columns(empty, "learned") | columns(empty, "runs"))
    schema.upgrade(empty)
    schema.check(empty)


#: Pieces of a job as they were kept before; the third is an error.
_PIECES = [{"text": "yes"}, {"error": None}, {"error": {"what": "no"}}, ["error"], "error", {"text": "null"}]
#: Once the last of them was stored so, which PostgreSQL cannot read.
_POISON = text("""UPDATE results SET data = '{"text": "\\u0000", "error": null}' WHERE "index" = 5""")


def test_pieces_that_were_kept_as_errors_are_counted_as_such(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.write() as session:
        [job_id] = add_jobs(session)
        kept = {"job_id": job_id, "attempt": 1, "created_at": 1.0}
        session.execute(insert(Result), [{**kept, "index": i, "data": data} for i, data in enumerate(_PIECES)])
        session.execute(_POISON)
    schema.downgrade(empty, "0006")
    assert "failed" not in columns(empty, "results")
    schema.upgrade(empty)
    with empty.read() as session:
        assert session.scalars(select(Result.index).where(is_failed_result)).all() == [2]


def columns(database: Database, name: str) -> set[str]:
    return {found["name"] for found in inspect(database.engine).get_columns(name)}


def test_the_migrations_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    schema.upgrade(empty)
    schema.check(empty)


def test_upgrading_a_current_database_changes_nothing(database: Database) -> None:
    schema.upgrade(database)
    assert schema.is_current(database)


def test_the_indexes_are_those_of_the_tables(database: Database) -> None:
    inspector = inspect(database.engine)
    for each in Base.metadata.tables.values():
        found = {index["name"] for index in inspector.get_indexes(each.name)}
        assert {index.name for index in each.indexes} <= found


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
