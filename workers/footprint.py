"""How much memory a process tree holds, measured as its system counts it.

macOS: `phys_footprint`, what Activity Monitor shows; it includes Metal buffers, which RSS misses.
Linux: PSS, so that pages shared with other processes count once.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from shared.units import KIB, Bytes


class Usage(NamedTuple):
    """Bytes held now, and at most since the process began."""

    current: Bytes
    peak: Bytes


class Meter(Protocol):
    """Measures one process. Raises NoSuchProcess, ProcessLookupError or FileNotFoundError when it is gone."""

    def __call__(self, process: psutil.Process) -> Usage: ...


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and all its descendants; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def measure(pid: int) -> Usage | None:
    """Memory of the whole tree under `pid`; `None` when it is gone.

    The peaks of several processes need not have coincided, so the summed peak is an upper bound.
    """
    usages = [usage for process in process_tree(pid) if (usage := _measure_one(process)) is not None]
    if not usages:
        return None
    return Usage(Bytes(sum(u.current for u in usages)), Bytes(sum(u.peak for u in usages)))


def _measure_one(process: psutil.Process) -> Usage | None:
    try:
        return _meter()(process)
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return None


@cache
def _meter() -> Meter:
    if sys.platform == "darwin":
        return _Darwin()
    return _measure_pss if Path("/proc/self/smaps_rollup").exists() else _measure_rss


def _measure_pss(process: psutil.Process) -> Usage:
    current = _kibibytes(process.pid, "smaps_rollup", "Pss:")
    # The highest RSS so far lies a little above PSS, but it misses no short peak.
    return Usage(current, Bytes(max(current, _kibibytes(process.pid, "status", "VmHWM:"))))


def _kibibytes(pid: int, file: str, field: str) -> Bytes:
    """A `field  n kB` line of `/proc/{pid}/{file}`, in bytes; 0 for a process that is only a zombie."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return Bytes(next((int(line.split()[1]) * KIB for line in lines if line.startswith(field)), 0))


def _measure_rss(process: psutil.Process) -> Usage:
    resident = Bytes(process.memory_info().rss)
    return Usage(resident, resident)


class _Darwin:
    """`proc_pid_rusage` of libproc, flavor 4 (`struct rusage_info_v4` in <sys/resource.h>)."""

    _FLAVOR = 4
    #: `ri_uuid`, then 35 counters of 64 bits.
    _UUID_BYTES = 16
    _COUNTERS = 35
    _PHYS_FOOTPRINT = 7
    _LIFETIME_MAX_PHYS_FOOTPRINT = 28

    def __init__(self) -> None:
        self._library = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)

    def __call__(self, process: psutil.Process) -> Usage:
        buffer = ctypes.create_string_buffer(self._UUID_BYTES + 8 * self._COUNTERS)
        if self._library.proc_pid_rusage(process.pid, self._FLAVOR, buffer) != 0:
            raise ProcessLookupError(ctypes.get_errno(), f"proc_pid_rusage({process.pid})")
        counters = (ctypes.c_uint64 * self._COUNTERS).from_buffer(buffer, self._UUID_BYTES)
        return Usage(Bytes(counters[self._PHYS_FOOTPRINT]), Bytes(counters[self._LIFETIME_MAX_PHYS_FOOTPRINT]))
