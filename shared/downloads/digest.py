"""Checksums of files of any size, in a few MiB of memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

CHUNK = 4 * 1024 * 1024


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def sha256() -> Digest:
    return hashlib.sha256()


def git_blob(size: int) -> Digest:
    """Git's name of a content of `size` bytes: SHA-1 over a header and the content."""
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(f"blob {size}\0".encode())
    return digest


def feed(digest: Digest, path: Path, tick: Callable[[int], None] = lambda count: None) -> Digest:
    """The digest after the whole file; `tick` is told the bytes of each piece and may raise."""
    with path.open("rb", buffering=0) as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
            tick(len(piece))
    return digest
