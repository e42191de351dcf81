"""Remembering a child process beyond our own end."""

from __future__ import annotations

from pathlib import Path

import psutil
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from shared.process_birth import birth_of, living


class Remembered(BaseModel):
    """A process named so that a later one with the same number is not taken for it."""

    pid: int
    birth: str | float = Field(validation_alias=AliasChoices("birth", "created"))
    port: int


class PidFile:
    """One server process, written down when it starts and found again by whoever starts next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int, port: int) -> None:
        """Remember a process that runs; of one that has ended nothing is found again."""
        self._path.write_text(Remembered(pid=pid, birth=birth_of(pid) or "", port=port).model_dump_json())

    def read(self) -> Remembered | None:
        """What was written last, whether or not it still runs."""
        try:
            return Remembered.model_validate_json(self._path.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def process(self) -> psutil.Process | None:
        """The process that was written down, if it still runs."""
        record = self.read()
        return living(record.pid, record.birth) if record is not None else None
