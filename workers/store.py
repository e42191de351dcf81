"""A host's disk for models, as its environment describes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.downloads.room import LEAST_RESERVE, Disk, Room
from shared.downloads.throttle import Throttle
from shared.hub import DEFAULT_ENDPOINT
from shared.units import Bytes

#: Part of the disk that stays free.
RESERVED_PART = 0.05

_YES = frozenset({"1", "ON", "YES", "TRUE"})


@dataclass(frozen=True)
class HostStore:
    """The Hugging Face cache (shared with every other tool) and the folder for other downloads."""

    cache_dir: str
    models_dir: str
    token: str | None = field(default=None, repr=False)
    endpoint: str = DEFAULT_ENDPOINT
    offline: bool = False
    throttle: Throttle = field(default_factory=Throttle, compare=False, repr=False)
    room: Room = field(default_factory=Room, compare=False, repr=False)

    @property
    def cache_disk(self) -> Disk:
        return FolderDisk(self.cache_dir)

    @property
    def models_disk(self) -> Disk:
        return FolderDisk(self.models_dir)


@dataclass(frozen=True)
class FolderDisk:
    """The disk that holds a folder, or will, when that is made."""

    folder: str

    @property
    def device(self) -> int:
        return _standing(self.folder).stat().st_dev

    def free(self) -> Bytes:
        return Bytes(shutil.disk_usage(_standing(self.folder)).free)

    def reserve(self) -> Bytes:
        return Bytes(max(int(shutil.disk_usage(_standing(self.folder)).total * RESERVED_PART), LEAST_RESERVE))


def host_store(models_dir: Path, environment: Mapping[str, str] = os.environ, rate: int | None = None) -> HostStore:
    """The store that `huggingface_hub` would use with the same environment, found without importing it.

    Reads HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE. `rate` is what
    its downloads may take together, in bytes per second.
    """
    home = _home(environment)
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    return HostStore(
        cache_dir=str(Path(cache).expanduser() if cache else home / "hub"),
        models_dir=str(models_dir),
        token=_token(environment, home),
        endpoint=(environment.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/"),
        offline=(environment.get("HF_HUB_OFFLINE") or "").upper() in _YES,
        throttle=Throttle(rate),
    )


def _home(environment: Mapping[str, str]) -> Path:
    if home := environment.get("HF_HOME"):
        return Path(home).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface"


def _token(environment: Mapping[str, str], home: Path) -> str | None:
    token = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")
    if token is None:
        path = Path(environment.get("HF_TOKEN_PATH") or home / "token").expanduser()
        token = path.read_text() if path.is_file() else ""
    return token.strip() or None


def _standing(folder: str) -> Path:
    """The folder, or the nearest one above it that there is."""
    path = Path(folder).absolute()
    while not path.exists():
        path = path.parent
    return path
