"""What kind of machine this is: its boot, its memory, how much of it runs may hold."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import sys
import uuid
from functools import cache
from pathlib import Path

import psutil

from shared.settings import Settings
from shared.units import GIB, MIB, Bytes

#: Part of the ceiling that is admitted, the rest is slack for what estimates miss.
ADMITTED = 0.85


def boot_id() -> str:
    """New for each boot, the same until then."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    # The moment of the boot moves by the clock's corrections; whole minutes do not.
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{platform.node()} {round(psutil.boot_time() / 60)}"))


def platform_name() -> str:
    """`macOS 26.1 arm64`, `Linux 6.18 x86_64`."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]} {platform.machine()}"
    return f"{platform.system()} {platform.release()} {platform.machine()}"[:120]


def memory_total() -> Bytes:
    """Physical memory, or the control group's limit where that is less."""
    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists():
        text = limit.read_text().strip()
        if text.isdigit():
            total = min(total, int(text))
    return Bytes(total)


def budget(settings: Settings) -> Bytes:
    """Bytes that runs on this host may hold together: as configured, else 85 % of a ceiling.

    The ceiling is memory less a reserve for everything else, and on macOS no more than Metal may wire (read from the
    system: `iogpu.wired_limit_mb` when it is set).
    """
    if settings.memory is not None:
        return settings.memory
    total = memory_total()
    ceiling = total - reserve(settings, total)
    cap = metal_cap()
    if cap is not None:
        ceiling = min(ceiling, cap)
    return Bytes(max(0, int(ceiling * ADMITTED)))


def reserve(settings: Settings, total: Bytes) -> Bytes:
    """Memory for the system and other applications: 4 GiB below 16 GiB of memory, else 8 GiB, never over half."""
    if settings.memory_reserve is not None:
        return settings.memory_reserve
    return Bytes(min(total // 2, 4 * GIB if total < 16 * GIB else 8 * GIB))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


def sysctl(name: str) -> int | None:
    """An integer of macOS's sysctl; `None` elsewhere, or when there is no such name."""
    if sys.platform != "darwin":
        return None
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    failed = _libc().sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    if failed:
        return None
    return ctypes.c_int32(value.value).value if size.value == 4 else value.value


def metal_cap() -> Bytes | None:
    """Memory that Metal may wire, as set by the owner; `None` when the system decides."""
    limit = sysctl("iogpu.wired_limit_mb")
    return Bytes(limit * MIB) if limit else None
