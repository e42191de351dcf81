"""Reports that could not be delivered, on disk, in order, one file per worker process.

A line is one report: its path in the worker protocol and its body. Lines are synced to disk before anybody counts on
them, and a file is removed only when every line of it was answered; sending one twice is harmless by design.
"""

from __future__ import annotations

import json
import os
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

    @property
    def empty(self) -> bool:
        return not self.path.exists()

    def append(self, entries: list[Entry]) -> None:
        """Keep these; returns once they are on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

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
        """Send everything, in order, then forget it; how many were sent."""
        entries = self.read()
        for entry in entries:
            send(entry)
        self.path.unlink(missing_ok=True)
        return len(entries)


def left_behind(folder: Path) -> list[Spool]:
    """Spools of workers that are gone, oldest first."""
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime) if folder.exists() else []
    return [Spool(folder, path.stem) for path in files]
