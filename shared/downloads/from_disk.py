"""`local:` models: checked where they are, never copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.downloads.meter import Meter
from shared.downloads.phases import CHECKING
from shared.downloads.record import described, install
from shared.downloads.watch import Watch
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.weights import Weights, inspect


def register(reference: ModelRef, name: str | None, watch: Watch) -> list[InstallRecord]:
    """Read the model's headers and checksums. Raises InvalidInput."""
    watch.context.phase(CHECKING)
    weights = watch.one(lambda: inspect(Path(reference.repo)))
    root = weights.path if weights.path.is_dir() else weights.path.parent
    meter = Meter(sum(file.stat().st_size for file in weights.files))
    files = watch.one(lambda: _checksums(weights, root, meter, watch), meter)
    return [install(reference, name or weights.name, weights, files)]


def _checksums(weights: Weights, root: Path, meter: Meter, watch: Watch) -> list[dict[str, Any]]:
    def tick(count: int) -> None:
        watch.interrupt.check()
        meter.received(count)

    return [described(file, str(file.relative_to(root)), tick=tick) for file in weights.files]
