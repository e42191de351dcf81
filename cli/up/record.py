"""`state/up.json`: what runs here, for the CLI to find the front door and for the next `up` to find orphans."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from shared.process_birth import birth_of, living


class Pid(BaseModel):
    """A process named so that a later one with the same number is not taken for it."""

    pid: int
    birth: str | float = Field(validation_alias=AliasChoices("birth", "created"))

    @classmethod
    def find(cls, pid: int) -> Pid | None:
        """`None` when it has ended."""
        birth = birth_of(pid)
        return cls(pid=pid, birth=birth) if birth is not None else None

    @classmethod
    def of_this_process(cls) -> Pid:
        return cls(pid=os.getpid(), birth=birth_of(os.getpid()) or "")

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        return living(self.pid, self.birth)


class UpRecord(BaseModel):
    """A running `up`: where its front door answers, itself and its parts by name."""

    url: str
    supervisor: Pid
    parts: dict[str, Pid] = {}

    @property
    def running(self) -> bool:
        return self.supervisor.process() is not None


def path_in(state_dir: Path) -> Path:
    return state_dir / "up.json"


def read(state_dir: Path) -> UpRecord | None:
    """What the last `up` wrote, whether or not it still runs."""
    try:
        return UpRecord.model_validate_json(path_in(state_dir).read_text())
    except (FileNotFoundError, ValidationError):
        return None


def write(state_dir: Path, record: UpRecord) -> None:
    """Replace the file in one step, so that nobody reads half of it."""
    path = path_in(state_dir)
    fresh = path.with_suffix(".new")
    fresh.write_text(record.model_dump_json(indent=2))
    fresh.replace(path)


def forget(state_dir: Path) -> None:
    path_in(state_dir).unlink(missing_ok=True)
