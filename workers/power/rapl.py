"""Energy of x86 processors and their memory, as Linux tells it in `/sys/class/powercap`.

Each zone counts microjoules in `energy_uj` and begins again at `max_energy_range_uj`: at 100 W after 44 minutes for a
usual range, so whoever reads it every few seconds misses no turn. Packages are summed, and memory, which is in none of
them; cores and graphics are parts of their package. Since Linux 5.10 only root may read it, unless the machine is told
otherwise.

Source: Documentation/power/powercap/powercap.rst of Linux.
"""

from __future__ import annotations

from pathlib import Path

_MICRO = 1e6


class Zone:
    """One counter, unrolled: it goes on where the kernel's begins again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = _number(folder / "max_energy_range_uj")
        self._last = _number(self._file)
        self._total = 0

    def microjoules(self) -> int:
        """Since it was first read. Raises OSError, ValueError."""
        read = _number(self._file)
        self._total += read - self._last if read >= self._last else read + self._range - self._last
        self._last = read
        return self._total


class Rapl:
    """All zones together."""

    source = "rapl"

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones

    def joules(self) -> float | None:
        try:
            return sum(zone.microjoules() for zone in self._zones) / _MICRO
        except (OSError, ValueError):
            return None


def find(powercap: Path) -> Rapl | None:
    """`None` where there are no such zones, or where they may not be read."""
    try:
        zones = [Zone(folder) for folder in sorted(powercap.glob("intel-rapl:*")) if _counts(folder)]
    except (OSError, ValueError):
        return None
    return Rapl(zones) if zones else None


def _counts(folder: Path) -> bool:
    name = (folder / "name").read_text().strip()
    return name.startswith("package-") or name == "dram"


def _number(file: Path) -> int:
    return int(file.read_text())
