"""macOS: the virtual memory's page counters, footprints of processes, Metal's cap, by public calls without sudo.

Counters: `host_statistics64(HOST_VM_INFO64)`, `struct vm_statistics64` in <mach/vm_statistics.h>. Its speculative pages
are among the free ones and its purgeable pages among the others, so neither is added.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection

import psutil

from shared.units import MIB, Bytes
from workers.agent.memory.reading import Pressure, Reading
from workers.agent.memory.sources.metal import Recommendation, ask_in_a_child
from workers.agent.memory.sources.trees import footprint
from workers.agent.sysctl import sysctl

_HOST_VM_INFO64 = 4
_PRESSURE = {1: Pressure.NORMAL, 2: Pressure.WARN, 4: Pressure.CRITICAL}


class _Pages(ctypes.Structure):
    """The head of `struct vm_statistics64`, in pages, and room for the rest."""

    _fields_ = (
        ("free", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("inactive", ctypes.c_uint32),
        ("wired", ctypes.c_uint32),
        ("rest", ctypes.c_uint32 * 60),
    )


class MacOS:
    """The system as its kernel shows it; raises OSError on a system that does not answer."""

    name = "macos"

    def __init__(self) -> None:
        self._system = ctypes.CDLL("/usr/lib/libSystem.B.dylib", use_errno=True)
        self._system.mach_host_self.restype = ctypes.c_uint32
        self._system.host_statistics64.argtypes = (
            ctypes.c_uint32,
            ctypes.c_int,
            ctypes.POINTER(_Pages),
            ctypes.POINTER(ctypes.c_uint32),
        )
        # Asked for once: each call would add a reference to the port.
        self._host = self._system.mach_host_self()
        self._page = sysctl("hw.pagesize") or 16384
        self._total = Bytes(psutil.virtual_memory().total)
        self._recommended = Recommendation(ask_in_a_child)

    def read(self, pids: Collection[int]) -> Reading:
        pages = self._pages()
        own = footprint(pids)
        return Reading(
            total=self._total,
            own=own,
            own_kept=own,
            idle=Bytes((pages.free + pages.inactive) * self._page),
            active=Bytes(pages.active * self._page),
            metal_cap=self._metal_cap(),
            pressure=_PRESSURE.get(sysctl("kern.memorystatus_vm_pressure_level") or 0),
            swap_used=Bytes(psutil.swap_memory().used),
        )

    def _pages(self) -> _Pages:
        pages, count = _Pages(), ctypes.c_uint32(ctypes.sizeof(_Pages) // 4)
        failed = self._system.host_statistics64(self._host, _HOST_VM_INFO64, ctypes.byref(pages), ctypes.byref(count))
        if failed:
            raise OSError(failed, "host_statistics64 does not answer")
        return pages

    def _metal_cap(self) -> Bytes | None:
        """`iogpu.wired_limit_mb` when the owner set it, else what the device recommends."""
        limit = sysctl("iogpu.wired_limit_mb")
        return Bytes(limit * MIB) if limit else self._recommended.of(self._total)
