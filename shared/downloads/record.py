"""What a finished download tells the catalog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.downloads.digest import feed, sha256
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.weights import Weights


def install(
    reference: ModelRef, name: str, weights: Weights, files: list[dict[str, Any]], file: str | None = None
) -> InstallRecord:
    return InstallRecord(
        provider=reference.provider,
        repo=reference.repo,
        file=file,
        revision=reference.revision,
        name=name,
        format=weights.format,
        path=str(weights.path),
        size=weights.size,
        context=weights.context,
        capabilities=list(weights.capabilities),
        shape=weights.shape,
        files=files,
    )


def described(
    path: Path, name: str, checksum: str | None = None, tick: Callable[[int], None] = lambda count: None
) -> dict[str, Any]:
    """A file as the catalog keeps it; read whole unless its SHA-256 is known already."""
    return {
        "name": name,
        "size": path.stat().st_size,
        "sha256": checksum or feed(sha256(), path, tick).hexdigest(),
    }
