"""How the boot before this one ended: told by a mark that an agent leaves when it begins and takes away when it ends.

A mark of another boot that is still there means that the host went down under the agent: a kernel panic, a power cut,
a reset. Where the system keeps reports of panics, the newest says what it was.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Characters of a panic's own words that are told.
_LONGEST = 200
#: Bytes of a report that are read: its words stand at the beginning.
_READ = 64 * 1024


class PanicReports(Protocol):
    """What the system wrote when its kernel panicked."""

    def newest(self, since: float) -> str | None:
        """What the newest report later than `since` (seconds since 1970) says, on one line; `None`: there is none."""


class NoReports:
    """This system keeps none, or none that we could read."""

    def newest(self, since: float) -> str | None:
        return None


class MacReports:
    """`*.panic` files of macOS: a line of JSON about the report, then JSON with the panic's words in `panicString`."""

    _PANIC = re.compile(r'"panicString"\s*:\s*"((?:[^"\\]|\\.)*)"?')

    def __init__(self, folder: Path = Path("/Library/Logs/DiagnosticReports")) -> None:
        self._folder = folder

    def newest(self, since: float) -> str | None:
        reports = [(written, path) for written, path in self._reports() if written > since]
        return self._words(max(reports)[1]) if reports else None

    def _reports(self) -> Iterator[tuple[float, Path]]:
        """Also `Kernel-….panic`, as older systems name them; nothing when only administrators may look."""
        try:
            for path in self._folder.glob("*.panic"):
                yield path.stat().st_mtime, path
        except OSError:
            return

    def _words(self, path: Path) -> str:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(_READ)
        except OSError:
            return path.name
        found = self._PANIC.search(text)
        words = _unescaped(found[1]) if found else text
        return next((line.strip()[:_LONGEST] for line in words.splitlines() if line.strip()), path.name)


def _unescaped(words: str) -> str:
    return words.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/")


def panic_reports() -> PanicReports:
    """Those of this system."""
    return MacReports() if sys.platform == "darwin" else NoReports()


@dataclass(frozen=True)
class BootMark:
    """The mark of this host's agent, in a file that names the boot it belongs to."""

    path: Path

    def unclean_end(self, boot_id: str, reports: PanicReports) -> str | None:
        """How the boot before `boot_id` ended, as words that `while …` may follow; `None` when it ended well."""
        try:
            left = json.loads(self.path.read_text(encoding="utf-8"))
            since = self.path.stat().st_mtime
        except (FileNotFoundError, ValueError):
            return None
        if left.get("boot_id") == boot_id:
            return None
        words = reports.newest(since)
        return f"the host panicked ({words})" if words else "the host went down without its agent having stopped"

    def leave(self, boot_id: str) -> None:
        """An agent lives in this boot."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"boot_id": boot_id}), encoding="utf-8")
        fresh.replace(self.path)

    def clear(self) -> None:
        """The agent has ended all that ran here, and itself ends."""
        self.path.unlink(missing_ok=True)
