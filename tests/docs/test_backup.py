"""The guide to backups, followed as it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from shared.db import Database
from shared.files import FileStore, add
from shared.schema import upgrade
from shared.tables import File
from shared.units import MIB, Bytes
from tests.docs.reading import DOCS, Page
from tests.postgres import PROGRAMS, Postgres

#: Not every machine that runs tests has the program.
_SQLITE3 = f"#!{sys.executable}\nimport sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])\n"


def test_what_sqlite_held_comes_back_with_its_files(tmp_path: Path) -> None:
    state, data = tmp_path / ".local" / "state" / "cidermill", tmp_path / ".local" / "share" / "cidermill"
    state.mkdir(parents=True)
    address = f"sqlite:///{state / 'cidermill.db'}"
    running = Database(address)
    upgrade(running)
    kept = _filled(address, data / "files")
    assert (state / "cidermill.db-wal").stat().st_size
    program = tmp_path / "bin" / "sqlite3"
    program.parent.mkdir()
    program.write_text(_SQLITE3)
    program.chmod(0o755)

    _follow(tmp_path, _block("VACUUM INTO"))
    running.close()
    shutil.rmtree(data)
    (state / "cidermill.db").write_bytes(b"")
    (state / "cidermill.db-wal").write_bytes(b"of another database")
    (backup,) = (tmp_path / "cidermill-backup").iterdir()
    _follow(tmp_path, _block("rm -f").replace("2026-11-22T030000", backup.name))
    _follow(tmp_path, _block("cidermill db upgrade"))

    assert _found(address, kept)
    assert b"".join(FileStore(str(data / "files")).pieces(kept, 0, 5)) == b"hello"


@pytest.mark.postgres
def test_what_postgresql_held_comes_back(postgres_server: Postgres, tmp_path: Path) -> None:
    address = postgres_server.create("kept")
    kept = _filled(address, tmp_path / "files")
    server = address.replace("+psycopg", "")
    _follow(tmp_path, _block("pg_dump").replace("postgresql://USER@HOST/NAME", server))
    postgres_server.drop("kept")
    postgres_server.create("kept")
    _follow(tmp_path, _block("pg_restore").replace("postgresql://USER@HOST/NAME", server))
    assert _found(address, kept)
    postgres_server.drop("kept")


def _filled(address: str, files: Path) -> str:
    """A file in a new database, by its id."""
    database = Database(address)
    upgrade(database)
    stored = FileStore(str(files)).store(BytesIO(b"hello"), Bytes(MIB))
    with database.write() as session:
        add(session, stored, name="greeting", purpose="test", content_type="text/plain")
    database.close()
    return stored.id


def _found(address: str, file_id: str) -> bool:
    database = Database(address)
    with database.read() as session:
        found = session.get(File, file_id) is not None
    database.close()
    return found


def _block(has: str) -> str:
    (block,) = (block for block in Page(DOCS / "guides" / "backup.md").blocks("sh") if has in block)
    return block


def _follow(home: Path, commands: str) -> None:
    """As somebody would who lives in `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIDERMILL_")}
    path = os.pathsep.join(map(str, [home / "bin", Path(sys.executable).parent, PROGRAMS, kept["PATH"]]))
    done = subprocess.run(
        ["/bin/sh", "-euc", commands],
        cwd=home, env=kept | {"HOME": str(home), "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
