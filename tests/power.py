"""A machine whose power is scripted: Linux's folder of energy counters, filled by hand."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Self


class Powercap:
    """Zones by number, as in `/sys/class/powercap`; values in microjoules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def zone(self, number: str, name: str, *, start: int = 0, most: int = 262_143_328_850) -> None:
        folder = self.root / f"intel-rapl:{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
        self.set(number, start)

    def set(self, number: str, microjoules: int) -> None:
        """Written whole, since an agent may be reading it."""
        file = self.root / f"intel-rapl:{number}" / "energy_uj"
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{microjoules}\n")
        fresh.replace(file)


class Meter:
    """Fills one zone as time goes by, at `watts` that may be changed: what went by before counts as it was."""

    def __init__(self, root: Path, watts: float) -> None:
        self._watts, self._joules, self._at = watts, 0.0, time.monotonic()
        self._filling = threading.Lock()
        self._powercap = Powercap(root)
        self._powercap.zone("0", "package-0")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def watts(self) -> float:
        return self._watts

    @watts.setter
    def watts(self, watts: float) -> None:
        with self._filling:
            self._fill()
            self._watts = watts

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            with self._filling:
                self._fill()

    def _fill(self) -> None:
        now = time.monotonic()
        self._joules += self._watts * (now - self._at)
        self._at = now
        self._powercap.set("0", int(self._joules * 1e6))


class Draw:
    """A counter of its own clock: it draws `watts` while `pass_` lets time go by."""

    source = "scripted"

    def __init__(self, watts: float = 0.0) -> None:
        self.watts, self.now = watts, 1000.0
        self.broken = False
        self._joules = 50.0

    def pass_(self, seconds: float, watts: float | None = None) -> None:
        self.watts = self.watts if watts is None else watts
        self.now += seconds
        self._joules += self.watts * seconds

    def clock(self) -> float:
        return self.now

    def joules(self) -> float | None:
        return None if self.broken else self._joules
