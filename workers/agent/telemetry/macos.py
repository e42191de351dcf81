"""Thermal state of macOS, by a public call, without sudo.

The notification `com.apple.system.thermalpressurelevel` (<libkern/OSThermalNotification.h>) says 0 nominal, 1 moderate,
2 heavy, 3 trapping, 4 sleeping.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_THERMAL = {0: "nominal", 1: "fair", 2: "serious", 3: "critical", 4: "critical"}
_THERMAL_KEY = b"com.apple.system.thermalpressurelevel"


def available() -> bool:
    return sys.platform == "darwin"


def collect() -> dict[str, object]:
    """A word, if the system answers."""
    thermal = _thermal()
    return {} if thermal is None else {"thermal": thermal}


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
