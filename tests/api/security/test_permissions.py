"""Other people on the machine of the front door read neither its database nor its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys, schema
from shared.db import Database
from tests.api.conftest import Opener


@pytest.fixture
def generous() -> Iterator[None]:
    """A user whose new files everybody may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_that_was_sent_is_the_front_doors_own(generous: None, open_door: Opener, tmp_path: Path) -> None:
    door = open_door(host_name="studio")
    assert door.client.post("/v1/files", files={"file": ("a.wav", b"RIFF")}).status_code == 200
    [stored] = (tmp_path / "data").rglob("file_*")
    assert any(_shut(folder) for folder in stored.parents if folder.is_relative_to(tmp_path / "data"))


def test_a_new_database_is_the_front_doors_own(generous: None, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state' / 'cidermill.db'}")
    try:
        schema.upgrade(database)
        with database.write() as session:
            keys.create(session, "ci", "admin")
            kept = {path.name: _shut(path) for path in (tmp_path / "state").iterdir()}
    finally:
        database.close()
    assert set(kept) >= {"cidermill.db", "cidermill.db-wal"}
    assert all(kept.values())
    assert _shut(tmp_path / "state")


def _shut(path: Path) -> bool:
    """Whether it is closed to others."""
    return not path.stat().st_mode & 0o077
