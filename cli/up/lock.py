"""One `up` at a time in one home."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from cli.up import record
from shared.errors import Conflict


class Lock:
    """A lock that the kernel drops when its holder ends, however it ends."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises Conflict, naming the running front door, when another `up` has this home."""
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (self._state_dir / "up.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            other = record.read(self._state_dir)
            where = f" at {other.url}" if other else ""
            raise Conflict(
                f"Cidermill is already up in this home{where}",
                f"another `cidermill up` holds {self._state_dir}",
                "use that one, stop it with Ctrl-C, or choose another home: cidermill --home DIR up",
            ) from error
        self._file = file

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
