"""What is asked of a program whose models we look for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shared.references import ModelRef


@dataclass(frozen=True)
class Place:
    """The machine that is searched."""

    home: Path
    environment: Mapping[str, str]
    #: The Hugging Face cache of this host.
    hub_cache: Path
    platform: str = sys.platform

    @property
    def caches(self) -> Path:
        """Where programs of this platform keep what can be fetched again."""
        if self.platform == "darwin":
            return self.home / "Library" / "Caches"
        return Path(self.environment.get("XDG_CACHE_HOME") or self.home / ".cache")


@dataclass(frozen=True)
class Candidate:
    """What may be a model: a GGUF file (of a split one the first part) or a folder."""

    path: Path
    #: What to call it.
    name: str
    reference: ModelRef
    #: Names of files are relative to it.
    root: Path
    #: Checksums that the program's layout tells, by path.
    checksums: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """What should be a model by the program's own books, and is none."""

    path: Path
    reason: str


class Program(Protocol):
    """A program that keeps models in folders of its own."""

    #: The `source` of its installs, at most 16 letters.
    name: str

    def folders(self, place: Place) -> list[Path]:
        """Where it keeps them; they need not exist."""

    def candidates(self, folder: Path) -> Iterator[Candidate | Broken]:
        """What lies in one of them."""
