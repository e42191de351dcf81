"""Bytes of downloads that nobody went on with do not fill a disk for ever."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from shared.downloads import leftovers
from shared.downloads.leftovers import KEPT
from tests.store_context import RoomyStore

UNFINISHED = (
    "hub/models--org--name/blobs/{}.cidermill.incomplete",
    "models/url/0123/.{}.partial",
    "models/url/0123/.{}.fleet.partial",
    "models/copies/0123/.{}.fleet.partial",
    "models/copies/0123/folder/.{}.fleet.partial",
)
OTHERS = (
    "hub/models--org--name/blobs/{}",
    "hub/models--org--name/blobs/{}.incomplete",
    "models/url/0123/{}.gguf",
    "models/url/0123/.{}.json",
    "elsewhere/.{}.partial",
)
OLD, YOUNG = KEPT + 60, KEPT - 60


@pytest.fixture
def store(tmp_path: Path) -> RoomyStore:
    return RoomyStore(str(tmp_path / "hub"), str(tmp_path / "models"))


def put(tmp_path: Path, name: str, age: float) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1234567")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_only_what_is_ours_unfinished_and_old_goes(tmp_path: Path, store: RoomyStore) -> None:
    old = [put(tmp_path, name.format("old"), OLD) for name in UNFINISHED]
    kept = [put(tmp_path, name.format("young"), YOUNG) for name in UNFINISHED]
    kept += [put(tmp_path, name.format("old"), OLD) for name in OTHERS]
    assert leftovers.sweep(store) == 7 * len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_what_a_download_fills_at_this_moment_stays(tmp_path: Path, store: RoomyStore) -> None:
    path = put(tmp_path, UNFINISHED[0].format("busy"), OLD)
    with path.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert leftovers.sweep(store) == 0
    assert leftovers.sweep(store) == 7


def test_folders_that_are_not_there_have_nothing(store: RoomyStore) -> None:
    assert leftovers.sweep(store) == 0
