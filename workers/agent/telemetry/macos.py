"""Memory pressure and thermal state of macOS, by public calls, without sudo.

Pressure: sysctl `kern.memorystatus_vm_pressure_level` (1 normal, 2 warn, 4 critical). Thermal: the notification
`com.apple.system.thermalpressurelevel` (`<libkern/OSThermalNotification.h>`: 0 nominal, 1 moderate, 2 heavy,
3 trapping, 4 sleeping).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from workers.agent.machine import sysctl

_PRESSURE = {1: "normal", 2: "warn", 4: "critical"}
_THERMAL = {0: "nominal", 1: "fair", 2: "serious", 3: "critical", 4: "critical"}
_THERMAL_KEY = b"com.apple.system.thermalpressurelevel"


def available() -> bool:
    return sys.platform == "darwin"


def collect() -> dict[str, object]:
    """Words, for those signals that answer."""
    fields: dict[str, object] = {}
    pressure = _PRESSURE.get(sysctl("kern.memorystatus_vm_pressure_level") or 0)
    if pressure is not None:
        fields["pressure"] = pressure
    thermal = _thermal()
    if thermal is not None:
        fields["thermal"] = thermal
    return fields


@cache
def _registered() -> tuple[ctypes.CDLL, ctypes.c_int] | None:
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    token = ctypes.c_int(0)
    return (library, token) if library.notify_register_check(_THERMAL_KEY, ctypes.byref(token)) == 0 else None


def _thermal() -> str | None:
    registered = _registered()
    if registered is None:
        return None
    library, token = registered
    state = ctypes.c_uint64(0)
    if library.notify_get_state(token, ctypes.byref(state)) != 0:
        return None
    return _THERMAL.get(state.value)
