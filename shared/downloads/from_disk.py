"""`local:` models: checked where they are, never copied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shared.downloads.meter import Meter
from shared.downloads.phases import CHECKING
from shared.downloads.record import described, install
from shared.downloads.watch import Watch
from shared.errors import InvalidInput
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.store.manifest import content_digest, manifest
from shared.weights import Weights, inspect


def register(reference: ModelRef, name: str | None, digest: str | None, watch: Watch) -> InstallRecord | None:
    """Read the model's headers and checksums; `None` when a content is wanted and this is another.

    Raises InvalidInput when any content would do and there is no model.
    """
    watch.context.phase(CHECKING)
    weights = watch.one(lambda: _inspected(Path(reference.repo), wanted=digest is None))
    if weights is None:
        return None
    root = Path(os.path.commonpath([file.parent for file in weights.files]))
    meter = Meter(sum(file.stat().st_size for file in weights.files))
    files = watch.one(lambda: _checksums(weights, root, meter, watch), meter)
    if digest not in (None, content_digest(manifest(files))):
        return None
    return install(reference, name or weights.name, weights, files)


def _inspected(path: Path, *, wanted: bool) -> Weights | None:
    """That nothing usable lies there is an answer where something else may be had: a failure would end the watch."""
    try:
        return inspect(path)
    except InvalidInput:
        if wanted:
            raise
        return None


def _checksums(weights: Weights, root: Path, meter: Meter, watch: Watch) -> list[dict[str, Any]]:
    def tick(count: int) -> None:
        watch.interrupt.check()
        meter.received(count)

    return [described(file, str(file.relative_to(root)), tick=tick) for file in weights.files]
