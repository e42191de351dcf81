"""A file store that is away is told apart from bytes that are gone."""

from __future__ import annotations

import io
import shutil
from functools import partial
from pathlib import Path

import fsspec
import pytest

from shared import files
from shared.db import Database
from shared.errors import NotFound, Unavailable
from shared.files import NO_LIMIT, FileStore, Stored
from shared.identifiers import new_id


@pytest.fixture(params=["disk", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store on this machine, and one elsewhere."""
    return str(tmp_path / "files") if request.param == "disk" else f"memory://{tmp_path}/files"


def keep(store: FileStore) -> Stored:
    return store.store(io.BytesIO(b"bytes"), NO_LIMIT)


def take_away(url: str) -> None:
    filesystem, root = fsspec.url_to_fs(url)
    filesystem.rm(root, recursive=True)


def test_bytes_that_are_gone_are_not_found_while_the_store_is_there(url: str) -> None:
    store = FileStore(url)
    gone = keep(store)
    store.remove(gone.id)
    with pytest.raises(NotFound):
        store.pieces(gone.id, 0, 1)


def test_a_store_that_goes_away_is_not_made_again(url: str) -> None:
    store = FileStore(url)
    stored = keep(store)
    take_away(url)
    with pytest.raises(Unavailable, match="file store"):
        keep(store)
    with pytest.raises(Unavailable, match="file store"):
        store.pieces(stored.id, 0, 1)


def test_an_empty_folder_where_a_disk_was_is_no_store(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "files"))
    stored = keep(store)
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files" / "lost+found").mkdir(parents=True)
    with pytest.raises(Unavailable):
        keep(store)
    with pytest.raises(Unavailable):
        store.pieces(stored.id, 0, 1)


def test_a_store_that_is_away_from_the_start_is_not_made_anew(url: str, database: Database) -> None:
    with database.write() as session:
        files.add(session, keep(FileStore(url)), name="x", purpose="input", content_type="text/plain")
    take_away(url)
    store = FileStore(url, partial(files.any_known, database))
    for _ in range(2):
        with pytest.raises(Unavailable):
            keep(store)
        with pytest.raises(Unavailable):
            store.pieces(new_id("file"), 0, 1)


def test_a_store_of_an_older_version_is_known_by_what_lies_in_it(url: str, database: Database) -> None:
    before = FileStore(url)
    stored = keep(before)
    with database.write() as session:
        files.add(session, stored, name="x", purpose="input", content_type="text/plain")
    filesystem, root = fsspec.url_to_fs(url)
    filesystem.rm_file(f"{root}/.cidermill")
    store = FileStore(url, partial(files.any_known, database))
    with pytest.raises(NotFound):
        store.pieces(new_id("file"), 0, 1)
    assert b"".join(store.pieces(keep(store).id, 0, 5)) == b"bytes"
    assert b"".join(store.pieces(stored.id, 0, 5)) == b"bytes"
