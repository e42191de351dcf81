"""What processes hold on Linux: pages that several share count once, and counting them costs little.

PSS is exact, and the kernel walks all pages for it: 15 ms for each GiB (measured). RSS costs nothing. So PSS is taken
now and then, and moved by what RSS has changed since.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from shared.units import KIB, Bytes
from workers.footprint import process_tree

#: Seconds after which PSS is taken anew: what is shared changes when others come and go.
_TRUSTED = 30.0
#: Part by which RSS may have changed for the difference to be believed.
_MOVED = 1 / 16


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of a process, and the part of them that is pages of files, which can be dropped and read again."""

    total: int
    clean: int


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was measured exactly, and RSS at that moment."""

    at: float
    held: Held
    resident: Held


class ProcessMemory:
    """Remembers the exact measurements."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[int, _Taken] = {}

    def of_trees(self, roots: Collection[int]) -> tuple[Bytes, Bytes]:
        """Bytes held by all processes under `roots`, and the part of it that is pages of files."""
        pids = {process.pid for root in roots for process in process_tree(root)}
        self._taken = {pid: taken for pid, taken in self._taken.items() if pid in pids}
        held = [one for pid in pids if (one := self._measure(pid)) is not None]
        return Bytes(sum(one.total for one in held)), Bytes(sum(one.clean for one in held))

    def _measure(self, pid: int) -> Held | None:
        resident = _resident(pid)
        if resident is None:
            return None
        taken = self._taken.get(pid)
        if taken is None or self._is_old(taken, resident):
            exact = _exact(pid)
            if exact is None:
                return None
            taken = self._taken[pid] = _Taken(self._clock(), exact, resident)
        return Held(
            max(0, taken.held.total + resident.total - taken.resident.total),
            max(0, taken.held.clean + resident.clean - taken.resident.clean),
        )

    def _is_old(self, taken: _Taken, resident: Held) -> bool:
        moved = abs(resident.total - taken.resident.total) + abs(resident.clean - taken.resident.clean)
        return moved > taken.resident.total * _MOVED or self._clock() - taken.at > _TRUSTED


def _resident(pid: int) -> Held | None:
    """Counters that the kernel keeps anyway; `None` for a process that is gone."""
    fields = _fields(pid, "status")
    if "VmRSS" not in fields:
        return None
    return Held(fields["VmRSS"], fields.get("RssFile", 0))


def _exact(pid: int) -> Held | None:
    fields = _fields(pid, "smaps_rollup")
    return Held(fields["Pss"], fields.get("Pss_File", 0)) if "Pss" in fields else None


def _fields(pid: int, file: str) -> dict[str, int]:
    """The lines `Name:  n kB` of `/proc/{pid}/{file}`, in bytes; empty for a process that is gone or not ours."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    words = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(number) * KIB for name, number, _ in words}
