"""Values of macOS's sysctl."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from functools import cache


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


def sysctl(name: str) -> int | None:
    """The value of `name`; `None` on other systems, or when there is no such name."""
    if sys.platform != "darwin":
        return None
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    failed = _libc().sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    if failed:
        return None
    return ctypes.c_int32(value.value).value if size.value == 4 else value.value


def sysctl_text(name: str) -> str | None:
    """The text of `name`; `None` on other systems, or when there is no such name."""
    if sys.platform != "darwin":
        return None
    value, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    failed = _libc().sysctlbyname(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0))
    return None if failed else value.value.decode()
