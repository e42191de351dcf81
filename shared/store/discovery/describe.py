"""A candidate as the catalog keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.downloads.digest import feed, sha256
from shared.projector import is_projector
from shared.protocol import InstallRecord
from shared.store.discovery.contract import Candidate
from shared.units import MIB
from shared.weights import inspect

#: Larger files are read only when somebody asks for a verification.
_READ_AT_ONCE = 16 * MIB
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
#: GGUF files that are no model by themselves.
_ACCESSORIES = ("imatrix", "ggml-vocab")


def describe(candidate: Candidate, source: str) -> InstallRecord:
    """Read the model's headers. Raises InvalidInput when it is damaged, unfinished, or none that we know."""
    weights = inspect(candidate.path)
    reference = candidate.reference
    return InstallRecord(
        provider=reference.provider,
        repo=reference.repo,
        file=reference.file,
        revision=reference.revision,
        name=candidate.name,
        format=weights.format,
        path=str(weights.path),
        size=weights.size,
        context=weights.context,
        capabilities=list(weights.capabilities),
        shape=weights.shape,
        files=[_entry(file, candidate) for file in weights.files],
        source=source,
    )


def gguf_models(folder: Path) -> Iterator[Path]:
    """GGUF models below a folder: the first part of a split one, no projectors, by name."""
    for path in sorted(folder.rglob("*.gguf")):
        accessory = is_projector(path.name) or path.name.lower().startswith(_ACCESSORIES)
        if not accessory and _LATER_PART.search(path.name) is None:
            yield path


def _entry(file: Path, candidate: Candidate) -> dict[str, Any]:
    size = file.stat().st_size
    checksum = candidate.checksums.get(file)
    if checksum is None and size <= _READ_AT_ONCE:
        checksum = feed(sha256(), file).hexdigest()
    return {"name": file.relative_to(candidate.root).as_posix(), "size": size, "sha256": checksum}
