"""The front door as a download sees it: a test double of that, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from shared.downloads.room import Room
from shared.downloads.throttle import Throttle
from shared.errors import Cancelled
from shared.kinds.contract import Files, FleetStore, Items, ModelStore
from shared.protocol import Acquired, Progress, Transfer
from shared.runtimes import Endpoint, InstalledModel, RunSpec
from shared.units import GIB, Bytes
from tests.alone import AloneInTheFleet
from workers.store import HostStore


class NoFiles:
    """Downloads open no files of the front door."""

    def open(self, file_id: str) -> BinaryIO:
        raise NotImplementedError

    def lines(self, file_id: str) -> Iterator[bytes]:
        raise NotImplementedError

    def create(self, name: str, content: BinaryIO | bytes, content_type: str) -> str:
        raise NotImplementedError


class NoItems:
    """Downloads keep their checkpoint on disk."""

    done: Mapping[int, Any] = {}

    def put(self, index: int, data: Any) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class RoomyDisk:
    """A disk of a size the test chooses."""

    size: int
    kept: int = GIB
    device: int = 0

    def free(self) -> Bytes:
        return Bytes(self.size)

    def reserve(self) -> Bytes:
        return Bytes(self.kept)


@dataclass(frozen=True)
class RoomyStore(HostStore):
    """A store on disks of sizes the test chooses; unless it says otherwise, on one."""

    free: int = 1024 * GIB
    reserve: int = GIB
    #: Bytes that the disk of `models_dir` has free, when it is another one.
    beside: int | None = None

    @property
    def cache_disk(self) -> RoomyDisk:
        return RoomyDisk(self.free, self.reserve)

    @property
    def models_disk(self) -> RoomyDisk:
        return self.cache_disk if self.beside is None else RoomyDisk(self.beside, self.reserve, device=1)


@dataclass
class StoreContext:
    """Remembers what the kind said."""

    folder: Path
    hub: str = "http://127.0.0.1:9"
    token: str | None = None
    free: int = 1024 * GIB
    #: Of the disk of other models, when that is another one.
    beside: int | None = None
    job_id: str = "job_test"
    attempt: int = 1
    slots: int = 1
    attended: int = 0
    endpoint: Endpoint | None = None
    model: InstalledModel | None = None
    files: Files = field(default_factory=NoFiles)
    items: Items = field(default_factory=NoItems)
    lines: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    reports: list[Progress] = field(default_factory=list)
    #: What the last download measured.
    transfers: list[Transfer] = field(default_factory=list)
    throttle: Throttle = field(default_factory=Throttle)
    room: Room = field(default_factory=Room)
    offline: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    #: Called at each progress report.
    reported: Callable[[], None] = lambda: None

    def progress(self, done: float, total: float | None = None, unit: str = "", rate: float | None = None) -> None:
        self.reports.append(Progress(done=done, total=total, unit=unit, rate=rate))
        self.reported()

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def emit(self, text: str) -> None:
        raise NotImplementedError

    def measured(self, transfers: Sequence[Transfer]) -> None:
        self.transfers = list(transfers)

    def raise_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("The job was cancelled")

    def acquire(self, model: str, runtime: str, spec: RunSpec) -> Acquired:
        raise NotImplementedError

    def release(self, run: Acquired) -> Acquired:
        raise NotImplementedError

    @property
    def fleet(self) -> FleetStore:
        return AloneInTheFleet()

    def store(self) -> ModelStore:
        return RoomyStore(
            cache_dir=str(self.folder / "hub"),
            models_dir=str(self.folder / "models"),
            token=self.token,
            endpoint=self.hub,
            offline=self.offline,
            throttle=self.throttle,
            room=self.room,
            free=self.free,
            beside=self.beside,
        )
