"""Reports that could not be delivered, on disk, in order, one file per worker process.

A line is one report: its path in the worker protocol and its body. Lines are synced to disk before anybody counts on
them, and a file is removed only when every line of it was answered; sending one twice is harmless by design.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: Sends one report; raises Unavailable to stop and keep the rest.
Send = Callable[["Entry"], None]


class Entry(NamedTuple):
    """One report, as it goes over the wire."""

    path: str
    body: str


class Spool:
    """The file of one worker."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.path = folder / f"{worker}.jsonl"
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        return not self.path.exists()

    def append(self, entries: list[Entry]) -> None:
        """Keep these; returns once they are on disk. Raises OSError, and then none of them is kept."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.path.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                left = memoryview("".join(json.dumps(entry) + "\n" for entry in entries).encode())
                while left:
                    left = left[file.write(left) :]
                _to_disk(file.fileno())
            except OSError:
                # Half a line would spoil the next one.
                file.truncate(end)
                raise

    def read(self) -> list[Entry]:
        """Everything kept; a last line cut short by a crash is left out."""
        if self.empty:
            return []
        entries = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                path, body = json.loads(line)
            except ValueError:
                continue
            entries.append(Entry(path, body))
        return entries

    def replay(self, send: Send) -> int:
        """Send everything, in order, then forget it, but for what came meanwhile; how many were sent."""
        with self._lock:
            entries, size = self.read(), self._size()
        for entry in entries:
            send(entry)
        with self._lock:
            if self._size() == size:
                self.path.unlink(missing_ok=True)
        return len(entries)

    def _size(self) -> int:
        return 0 if self.empty else self.path.stat().st_size


def _to_disk(file: int) -> None:
    """On macOS a plain `fsync` ends in the cache of the disk."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(file)
    else:
        fcntl.fcntl(file, full)


def left_behind(folder: Path) -> list[Spool]:
    """Spools of workers that are gone, oldest first."""
    written = {path: at for path in folder.glob("*.jsonl") if (at := _written_at(path)) is not None}
    return [Spool(folder, path.stem) for path in sorted(written, key=written.__getitem__)]


def _written_at(path: Path) -> float | None:
    """When it last was, in seconds of the clock; `None` once it is gone: a living worker removes what it delivered."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
