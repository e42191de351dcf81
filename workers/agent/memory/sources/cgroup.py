"""Memory limits of the control groups that this process is in, of either version.

Every group from our own up to the root of the hierarchy limits us; the one that leaves the least room counts. What a
group uses includes cached pages of files, which the system takes back before the limit hurts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.units import Bytes

_MOUNT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
#: Version 1 writes a huge number where there is no limit.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a group allows in all, and how much of it is left, cached files not counted; bytes."""

    limit: Bytes
    left: Bytes


def allowance(membership: Path = _MEMBERSHIP, mount: Path = _MOUNT) -> Allowance | None:
    """The tightest limits of our groups; `None` when nothing limits us."""
    found = [one for folder in _folders(membership, mount) if (one := _read(folder)) is not None]
    if not found:
        return None
    return Allowance(min(one.limit for one in found), min(one.left for one in found))


def pressure_file(membership: Path = _MEMBERSHIP, mount: Path = _MOUNT) -> Path | None:
    """Where our own group, or else the whole system, tells how long work waits for memory."""
    candidates = [folder / "memory.pressure" for folder in _folders(membership, mount)]
    return next((path for path in [*candidates, Path("/proc/pressure/memory")] if path.exists()), None)


def _folders(membership: Path, mount: Path) -> Iterator[Path]:
    """Our group and all above it, the nearest first; inside a container only some of them are to be seen."""
    if not membership.exists():
        return
    for line in membership.read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = mount / "memory" if controllers else mount
        ours = top / path.lstrip("/")
        yield from (folder for folder in (ours, *ours.parents) if folder.is_relative_to(top) and folder.is_dir())


def _read(folder: Path) -> Allowance | None:
    limits = [
        limit
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        if (limit := _number(folder / name)) is not None and limit < _NO_LIMIT
    ]
    used = next((n for name in ("memory.current", "memory.usage_in_bytes") if (n := _number(folder / name))), None)
    if not limits or used is None:
        return None
    limit = min(limits)
    return Allowance(Bytes(limit), Bytes(max(0, limit - max(0, used - _cached(folder)))))


def _cached(folder: Path) -> int:
    stat = folder / "memory.stat"
    if not stat.exists():
        return 0
    counters = dict(line.split() for line in stat.read_text(encoding="ascii").splitlines())
    # Version 1 counts the groups below under names of their own.
    kind = "total_" if "total_active_file" in counters else ""
    return int(counters.get(f"{kind}active_file", 0)) + int(counters.get(f"{kind}inactive_file", 0))


def _number(path: Path) -> int | None:
    """A file's number; `None` when there is no such file, or it says `max`."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
