"""Which process a number means: pids are given again, and the clock by which processes began may be set meanwhile."""

from __future__ import annotations

from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
#: Seconds by which two readings of one beginning may differ.
_SAME = 1.0


def birth_of(pid: int) -> str | None:
    """What tells this process from any other that ever has its number; `None` when it has ended.

    Linux counts from the boot, so the boot belongs to it; other kernels note the moment once, and keep it as it was.
    """
    try:
        # The same in public follows the clock: psutil compares its processes by this, too.
        begun = psutil.Process(pid)._proc.create_time(monotonic=True)  # type: ignore[attr-defined]
    except psutil.NoSuchProcess:
        return None
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    return f"{boot} {begun}".strip()


def living(pid: int, birth: str | float) -> psutil.Process | None:
    """The process of this number and birth, while it runs; a number is when it began by the clock, as once noted."""
    try:
        process = psutil.Process(pid)
        same = birth_of(pid) == birth if isinstance(birth, str) else abs(process.create_time() - birth) < _SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
