"""Energy counters: Linux's, as a folder of files, and Apple's, as its library answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.power import Powercap
from workers.power import apple, find_counter, rapl


def test_packages_and_their_memory_are_summed_and_what_is_part_of_them_is_not(tmp_path: Path) -> None:
    powercap = Powercap(tmp_path)
    powercap.zone("0", "package-0", start=7_000_000)
    powercap.zone("0:0", "core", start=1)
    powercap.zone("0:1", "dram", start=5)
    powercap.zone("1", "package-1")
    powercap.zone("2", "psys", start=3)
    counter = find_counter(tmp_path)
    assert counter is not None
    assert (counter.source, counter.joules()) == ("rapl", 0.0)
    powercap.set("0", 9_000_000)
    powercap.set("0:0", 2_000_000)
    powercap.set("0:1", 1_000_005)
    powercap.set("1", 500_000)
    powercap.set("2", 90_000_000)
    assert counter.joules() == pytest.approx(3.5)


def test_a_counter_that_begins_again_goes_on(tmp_path: Path) -> None:
    powercap = Powercap(tmp_path)
    powercap.zone("0", "package-0", start=9_000_000, most=10_000_000)
    counter = rapl.find(tmp_path)
    assert counter is not None
    powercap.set("0", 1_000_000)
    assert counter.joules() == pytest.approx(2.0)
    powercap.set("0", 4_000_000)
    assert counter.joules() == pytest.approx(5.0)


def test_a_counter_that_may_not_be_read_is_unknown_and_not_zero(tmp_path: Path) -> None:
    powercap = Powercap(tmp_path)
    powercap.zone("0", "package-0")
    counter = rapl.find(tmp_path)
    assert counter is not None
    # Root may read every file, so the test takes it away instead of its permissions.
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert counter.joules() is None
    assert rapl.find(tmp_path) is None
    powercap.set("0", 2_000_000)
    assert counter.joules() == pytest.approx(2.0), "what went by unseen is in the counter"


def test_a_machine_without_counters_has_none(tmp_path: Path) -> None:
    assert rapl.find(tmp_path) is None
    assert rapl.find(tmp_path / "nowhere") is None


class Monitor:
    """What `AppleEnergyMonitor` answers: parts in millijoules, `None` for those a chip does not count."""

    def __init__(self) -> None:
        self.parts: dict[str, object] = {"cpu_total_mj": 1500, "gpu_mj": 400, "gpu_sram_mj": 100, "ane_mj": 0}
        self.parts |= {"dram_mj": None, "efficiency_cores_mj": [300, 200], "performance_cluster_mj": [1000]}

    def get_cumulative_energy(self) -> SimpleNamespace:
        if not self.parts:
            raise RuntimeError("IOReport has no energy channels")
        return SimpleNamespace(**self.parts)


def test_apples_parts_are_summed_once_each_without_those_a_chip_lacks() -> None:
    monitor = Monitor()
    counter = apple.Apple(monitor)
    assert counter.joules() == pytest.approx(2.0)
    monitor.parts["dram_mj"] = 500
    assert counter.joules() == pytest.approx(2.5)


def test_apples_library_that_fails_or_knows_no_part_is_unknown() -> None:
    monitor = Monitor()
    monitor.parts = dict.fromkeys(monitor.parts)
    assert apple.Apple(monitor).joules() is None
    monitor.parts = {}
    assert apple.Apple(monitor).joules() is None
