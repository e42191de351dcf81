"""What run trees hold together."""

from __future__ import annotations

from collections.abc import Collection

from shared.units import Bytes
from workers.footprint import measure


def footprint(pids: Collection[int]) -> Bytes:
    """Bytes held by all processes under `pids`, as the system counts them; those that are gone hold none."""
    return Bytes(sum(usage.current for pid in set(pids) if (usage := measure(pid)) is not None))
