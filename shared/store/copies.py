"""Copies of `local:` models that came from another host: a folder each, named by what it holds. Pure.

`<models folder>/copies/<key>/<file>…`: two models of the same files share a folder, and a model whose content changed
goes to another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

#: Below the folder for downloads that come from no hub.
FOLDER = "copies"


def key(files: Iterable[Mapping[str, Any]]) -> str:
    """Of files by name and SHA-256, 32 hex digits."""
    lines = sorted(f"{file.get('sha256')} {file['name']}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def place(models_dir: Path, key: str) -> Path:
    """The folder of the copy with that key."""
    return models_dir / FOLDER / key


def is_copy(path: str, files: Iterable[Mapping[str, Any]]) -> bool:
    """Whether what is installed at `path` was copied there by us."""
    parts = PurePosixPath(path).parts
    return (FOLDER, key(files)) in pairwise(parts)
