"""Which process a number means: pids are given again, and the clock by which processes began may be set meanwhile."""

from __future__ import annotations

from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")


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


def living(pid: int, birth: str) -> psutil.Process | None:
    """The process of this number and birth, while it runs."""
    try:
        process = psutil.Process(pid)
        gone = birth_of(pid) != birth or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return None if gone else process
