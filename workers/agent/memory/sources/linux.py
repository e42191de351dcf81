"""Linux: what the kernel calls available, control groups, pressure stall information."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

import psutil

from shared.units import Bytes
from workers.agent.memory.reading import Pressure, Reading
from workers.agent.memory.sources import cgroup
from workers.agent.memory.sources.pss import ProcessMemory

#: Percent of the last ten seconds in which something, or everything, waited for memory.
_SOME_WAITS, _ALL_WAIT = 20.0, 20.0


class Linux:
    """The system as psutil and `/proc` show it."""

    name = "linux"

    def __init__(self) -> None:
        self._processes = ProcessMemory()

    def read(self, pids: Collection[int]) -> Reading:
        memory, group = psutil.virtual_memory(), cgroup.allowance()
        own, clean = self._processes.of_trees(pids)
        total, idle = memory.total, memory.available
        if group is not None:
            total, idle = min(total, group.limit), min(idle, group.left)
        return Reading(
            total=Bytes(total),
            own=own,
            own_kept=Bytes(own - clean),
            idle=Bytes(idle),
            pressure=_pressure(),
            swap_used=Bytes(psutil.swap_memory().used),
        )


@cache
def _pressure_file() -> Path | None:
    return cgroup.pressure_file()


def _pressure() -> Pressure | None:
    path = _pressure_file()
    if path is None:
        return None
    try:
        return pressure_of(path.read_text(encoding="ascii"))
    except OSError:
        # The kernel was built with it, but booted with `psi=0`.
        return None


def pressure_of(text: str) -> Pressure:
    """The level that lines such as `some avg10=0.31 avg60=…` and `full avg10=…` amount to."""
    waits = {line.split()[0]: float(line.split("avg10=")[1].split()[0]) for line in text.splitlines()}
    if waits.get("full", 0.0) >= _ALL_WAIT:
        return Pressure.CRITICAL
    return Pressure.WARN if waits.get("some", 0.0) >= _SOME_WAITS else Pressure.NORMAL
