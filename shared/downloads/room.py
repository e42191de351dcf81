"""Is there room on the disk?"""

from __future__ import annotations

from shared.errors import DiskFull
from shared.kinds.contract import ModelStore
from shared.units import format_bytes


def check_room(store: ModelStore, wanted: int) -> None:
    """Raises DiskFull, with numbers, unless `wanted` bytes fit and the reserve stays free."""
    free, reserve = store.disk_free(), store.disk_reserve()
    if free - wanted >= reserve:
        return
    raise DiskFull(
        "The disk has no room for this model",
        f"{format_bytes(wanted)} are still to come, {format_bytes(free)} are free, "
        f"and {format_bytes(reserve)} must stay free",
        f"free {format_bytes(wanted + reserve - free)}, then retry the job",
        wanted=wanted,
        free=free,
        reserve=reserve,
    )
