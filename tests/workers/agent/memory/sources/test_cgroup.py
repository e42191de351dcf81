"""Control groups of both versions, as files of the kernel show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.units import GIB, MIB, Bytes
from workers.agent.memory.reading import Pressure
from workers.agent.memory.sources.cgroup import Allowance, allowance, pressure_file
from workers.agent.memory.sources.linux import pressure_of


def _group(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")
    return folder


def _membership(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "membership"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _stat(active: int, inactive: int, prefix: str = "") -> str:
    return f"anon 5\n{prefix}active_file {active}\n{prefix}inactive_file {inactive}"


def test_without_groups_nothing_limits_us(tmp_path: Path) -> None:
    assert allowance(tmp_path / "none", tmp_path) is None
    assert allowance(_membership(tmp_path, "0::/"), tmp_path / "cgroup") is None


def test_the_limit_of_our_own_group_counts_without_its_cached_files(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    stat = _stat(100 * MIB, 50 * MIB)
    _group(mount / "app.slice/ours", memory__max=GIB, memory__current=400 * MIB, memory__stat=stat)
    _group(mount / "app.slice", memory__max="max", memory__current=2 * GIB, memory__stat=_stat(0, 0))
    found = allowance(_membership(tmp_path, "0::/app.slice/ours"), mount)
    assert found == Allowance(Bytes(GIB), Bytes(GIB - 250 * MIB))


def test_a_group_above_us_limits_us_too_and_high_counts_as_max_does(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    _group(mount / "a/b", memory__max=8 * GIB, memory__high=6 * GIB, memory__current=GIB, memory__stat=_stat(0, 0))
    _group(mount / "a", memory__max=7 * GIB, memory__current=5 * GIB, memory__stat=_stat(0, 0))
    found = allowance(_membership(tmp_path, "0::/a/b"), mount)
    assert found == Allowance(Bytes(6 * GIB), Bytes(2 * GIB))


def test_inside_a_container_the_root_of_what_is_seen_counts(tmp_path: Path) -> None:
    mount = _group(tmp_path / "cgroup", memory__max=2 * GIB, memory__current=GIB, memory__stat=_stat(0, 0))
    found = allowance(_membership(tmp_path, "0::/docker/0123"), mount)
    assert found == Allowance(Bytes(2 * GIB), Bytes(GIB))


def test_version_one_has_its_own_files_and_a_huge_number_for_no_limit(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    lines = ("7:cpu,cpuacct:/x", "4:memory:/job/1", "0::/")
    unlimited = 9223372036854771712
    ours = mount / "memory/job/1"
    files = {"memory__usage_in_bytes": 3 * GIB, "memory__stat": _stat(MIB, MIB, "total_")}
    _group(ours, memory__limit_in_bytes=unlimited, **files)
    assert allowance(_membership(tmp_path, *lines), mount) is None
    _group(ours, memory__limit_in_bytes=4 * GIB, **files)
    found = allowance(_membership(tmp_path, *lines), mount)
    assert found == Allowance(Bytes(4 * GIB), Bytes(GIB + 2 * MIB))


def test_a_group_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    mount = _group(tmp_path / "cgroup", memory__max=GIB, memory__current=2 * GIB, memory__stat=_stat(0, 0))
    found = allowance(_membership(tmp_path, "0::/"), mount)
    assert found is not None
    assert found.left == 0


def test_our_own_groups_pressure_is_asked_before_the_systems(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    ours = _group(mount / "a", memory__pressure="some avg10=0.00")
    assert pressure_file(_membership(tmp_path, "0::/a"), mount) == ours / "memory.pressure"


@pytest.mark.parametrize(
    ("some", "full", "level"),
    [(0.0, 0.0, Pressure.NORMAL), (19.0, 5.0, Pressure.NORMAL), (20.0, 5.0, Pressure.WARN), (60.0, 20.0, "critical")],
)
def test_stalls_become_a_level(some: float, full: float, level: str) -> None:
    text = f"some avg10={some} avg60=0.00 avg300=0.00 total=0\nfull avg10={full} avg60=0.00 avg300=0.00 total=0\n"
    assert pressure_of(text) == level
