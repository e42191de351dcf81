"""Is there room on the disk?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from shared.downloads.partial import Partial
from shared.errors import DiskFull
from shared.units import GIB, MIB, Bytes, format_bytes

#: Bytes of a disk that stay free at least.
LEAST_RESERVE = Bytes(GIB)
#: Bytes of a file between looks at the free disk.
_LOOK = 16 * MIB


class Disk(Protocol):
    """A disk that models go to, in bytes."""

    @property
    def device(self) -> int:
        """Tells one disk from another."""

    def free(self) -> Bytes: ...

    def reserve(self) -> Bytes:
        """What of the free bytes no download may take."""


class Claim:
    """Files that one download will fill, by where they grow, with the size they will have."""

    def __init__(self, room: Room, disk: Disk) -> None:
        self.disk, self.growing = disk, dict[Path, int]()
        self._room = room

    def want(self, growing: Mapping[Path, int]) -> None:
        """Fill these too, whose size nobody knew before. Raises DiskFull, with numbers."""
        self._room.promise(self, growing)

    def came(self, path: Path) -> None:
        """The whole file is here; it wants nothing more."""
        self.growing.pop(path, None)


class Room:
    """The disks as all downloads of a process see them: what one of them will still fill is not free for another.

    Two jobs that share a file claim it once, and what has come of it counts no longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: set[Claim] = set()

    @contextlib.contextmanager
    def claimed(self, disk: Disk, growing: Mapping[Path, int]) -> Iterator[Claim]:
        """Within, the bytes that `growing` files still lack are spoken for. Raises DiskFull, with numbers."""
        mine = Claim(self, disk)
        self.promise(mine, growing)
        try:
            yield mine
        finally:
            with self._lock:
                self._claims.discard(mine)

    def promise(self, mine: Claim, growing: Mapping[Path, int]) -> None:
        """Let a claim have these files, beside all that was promised of its disk. Raises DiskFull."""
        with self._lock:
            there = [claim for claim in self._claims if claim.disk.device == mine.disk.device]
            others = {path: size for claim in there for path, size in dict(claim.growing).items()}
            promised = {path: size for path, size in others.items() if path not in growing}
            check_room(mine.disk, _lacking(growing), _lacking(promised))
            mine.growing |= growing
            self._claims.add(mine)


class Lookout:
    """Watches the reserve while files grow: other programs fill the same disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._looked: dict[Path, int] = {}

    def grown(self, partial: Partial) -> None:
        """Raises DiskFull before the disk is."""
        if partial.position - self._looked.get(partial.path, 0) >= _LOOK:
            self._looked[partial.path] = partial.position
            check_room(self._disk, 0)


def check_room(disk: Disk, wanted: int, promised: int = 0) -> None:
    """Raises DiskFull, with numbers, unless `wanted` bytes fit beside those `promised` to others and the reserve."""
    free, reserve = disk.free(), disk.reserve()
    if free - wanted - promised >= reserve:
        return
    others = f", {format_bytes(promised)} of them for other downloads" if promised else ""
    raise DiskFull(
        "The disk has no room for this model",
        f"{format_bytes(wanted)} are still to come, {format_bytes(free)} are free{others}, "
        f"and {format_bytes(reserve)} must stay free",
        f"free {format_bytes(wanted + promised + reserve - free)}, then retry the job: it goes on where it stopped",
        wanted=wanted,
        free=free,
        reserve=reserve,
        promised=promised,
    )


def _lacking(growing: Mapping[Path, int]) -> int:
    return sum(max(0, size - (path.stat().st_size if path.is_file() else 0)) for path, size in growing.items())
