"""Remembering a child process beyond our own end."""

from __future__ import annotations

from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

#: Seconds by which two readings of one process's start may differ when the clock was set.
_TOLERANCE = 1.0


class Remembered(BaseModel):
    """A process named so that a later one with the same number is not taken for it."""

    pid: int
    #: Seconds since the epoch.
    created: float
    port: int


class PidFile:
    """One server process, written down when it starts and found again by whoever starts next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int, port: int) -> None:
        """Remember a process that runs. Raises psutil.NoSuchProcess when it has ended."""
        record = Remembered(pid=pid, created=psutil.Process(pid).create_time(), port=port)
        self._path.write_text(record.model_dump_json())

    def read(self) -> Remembered | None:
        """What was written last, whether or not it still runs."""
        try:
            return Remembered.model_validate_json(self._path.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def process(self) -> psutil.Process | None:
        """The process that was written down, if it still runs."""
        record = self.read()
        if record is None:
            return None
        try:
            process = psutil.Process(record.pid)
            same = abs(process.create_time() - record.created) < _TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None
