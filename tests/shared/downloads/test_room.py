from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.downloads.digest import sha256
from shared.downloads.interrupt import Interrupt
from shared.downloads.partial import Partial
from shared.downloads.room import Lookout, Room
from shared.errors import DiskFull
from shared.units import MIB, Bytes


@dataclass
class Disk:
    size: int
    device: int = 0

    def free(self) -> Bytes:
        return Bytes(self.size)

    def reserve(self) -> Bytes:
        return Bytes(100)


def test_what_one_download_will_fill_is_not_free_for_another(tmp_path: Path) -> None:
    room, disk = Room(), Disk(1100)
    with room.claimed(disk, {tmp_path / "a": 700}):
        with (
            pytest.raises(DiskFull, match="700 B of them for other downloads") as caught,
            room.claimed(disk, {tmp_path / "b": 301}),
        ):
            pass
        assert caught.value.problem.details == {"wanted": 301, "free": 1100, "reserve": 100, "promised": 700}
        with room.claimed(disk, {tmp_path / "b": 300}):
            pass
    with room.claimed(disk, {tmp_path / "b": 1000}):
        pass


def test_a_shared_file_is_claimed_once(tmp_path: Path) -> None:
    room, disk = Room(), Disk(1100)
    with room.claimed(disk, {tmp_path / "a": 1000}), room.claimed(disk, {tmp_path / "a": 1000}):
        pass


def test_what_fills_one_disk_is_free_on_another(tmp_path: Path) -> None:
    room = Room()
    with room.claimed(Disk(1100), {tmp_path / "a": 1000}), room.claimed(Disk(1100, device=1), {tmp_path / "b": 1000}):
        pass


def test_a_size_that_is_told_late_is_claimed_then(tmp_path: Path) -> None:
    room, disk = Room(), Disk(1100)
    with room.claimed(disk, {}) as late, room.claimed(disk, {tmp_path / "b": 600}) as other:
        late.want({tmp_path / "a": 400})
        with pytest.raises(DiskFull):
            other.want({tmp_path / "c": 1})
        with pytest.raises(DiskFull):
            late.want({tmp_path / "a": 401})
        other.came(tmp_path / "b")
        late.want({tmp_path / "a": 1000})


def test_what_has_come_is_wanted_no_longer(tmp_path: Path) -> None:
    room, disk = Room(), Disk(500)
    (tmp_path / "a").write_bytes(bytes(600))
    with room.claimed(disk, {tmp_path / "a": 1000}) as claim:
        with pytest.raises(DiskFull), room.claimed(disk, {tmp_path / "b": 1}):
            pass
        claim.came(tmp_path / "a")
        with room.claimed(disk, {tmp_path / "b": 400}):
            pass


def test_a_disk_that_others_fill_stops_a_file_that_grows(tmp_path: Path) -> None:
    path, disk = tmp_path / "growing", Disk(1000)
    path.touch()
    descriptor = os.open(path, os.O_RDWR)
    try:
        partial, lookout = Partial(path, descriptor, sha256, Interrupt()), Lookout(disk)
        partial.write(bytes(16 * MIB))
        lookout.grown(partial)
        disk.size = 99
        partial.write(bytes(MIB))
        lookout.grown(partial)
        partial.write(bytes(16 * MIB))
        with pytest.raises(DiskFull, match="99 B are free, and 100 B must stay free"):
            lookout.grown(partial)
    finally:
        os.close(descriptor)
