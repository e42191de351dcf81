"""What a model consists of, whatever folder it lies in. Pure.

A manifest names each file with its size and SHA-256. The digest of a manifest is taken over the checksums alone, so a
GGUF that one program calls `model.gguf` and another `sha256-9f86d0…` is the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

_FORMATS = {".gguf": "gguf", ".safetensors": "safetensors", ".bin": "ctranslate2", ".json": "json"}


class Artifact(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(frozen=True)

    #: Path from the model's root.
    name: str
    size: int
    #: Hex; `None` until somebody has read the whole file.
    sha256: str | None = None
    #: `gguf`, `safetensors`, `ctranslate2`, `json` or `other`.
    format: str = "other"


def manifest(files: Iterable[Mapping[str, Any]]) -> tuple[Artifact, ...]:
    """Files as a host described them, by name."""
    found = (
        Artifact(
            name=str(file["name"]),
            size=int(file["size"]),
            sha256=str(file["sha256"]).lower() if file.get("sha256") else None,
            format=_FORMATS.get(PurePosixPath(str(file["name"])).suffix.lower(), "other"),
        )
        for file in files
    )
    return tuple(sorted(found, key=lambda artifact: artifact.name))


def content_digest(artifacts: Sequence[Artifact]) -> str | None:
    """The same for the same bytes under any names, hex; `None` while a checksum is unknown."""
    if not artifacts or any(artifact.sha256 is None for artifact in artifacts):
        return None
    lines = sorted(f"{artifact.sha256} {artifact.size}" for artifact in artifacts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def places(path: str, names: Sequence[str]) -> dict[str, Path]:
    """Where each file of an installed model lies, by name.

    `path` is what a runtime loads: the folder itself, or one of the files, whose name then tells where the root is.
    """
    here = Path(path)
    root = next((_above(here, name) for name in names if _ends_with(here, name)), here)
    return {name: root / name for name in names}


def _ends_with(path: Path, name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def _above(path: Path, name: str) -> Path:
    return path.parents[len(PurePosixPath(name).parts) - 1]
