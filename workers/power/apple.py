"""Energy of Apple silicon by the chip's own counters, through `zeus-apple-silicon` (the extra `macos`), without sudo.

They count processor, graphics, neural engine and memory, in millijoules; not the display, the disk or what the power
supply loses. A part that a chip does not count (memory, on some) is left out.
"""

from __future__ import annotations

import importlib
import platform
import sys
from typing import Any

_MILLI = 1e3
#: `cpu_total_mj` holds all clusters and cores; these add up without counting anything twice.
_PARTS = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj")


class Apple:
    """`monitor` is an `AppleEnergyMonitor`."""

    source = "apple"

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor

    def joules(self) -> float | None:
        try:
            told = self._monitor.get_cumulative_energy()
        except RuntimeError:
            return None
        parts = [value for name in _PARTS if (value := getattr(told, name, None)) is not None]
        return sum(parts) / _MILLI if parts else None


def find() -> Apple | None:
    """`None` on other machines, and without the extra."""
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return None
    try:
        library = importlib.import_module("zeus_apple_silicon")
        counter = Apple(library.AppleEnergyMonitor())
    except (ImportError, RuntimeError):
        return None
    return counter if counter.joules() is not None else None
