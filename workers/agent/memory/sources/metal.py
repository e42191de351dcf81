"""How much memory the GPU recommends to use, read from the device: no table of machines has it right for long."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from functools import cache

from shared.units import Bytes

_PATIENCE = 20.0


@cache
def recommended() -> Bytes | None:
    """`recommendedMaxWorkingSetSize` of the GPU, in bytes; `None` without one. Constant until the next boot.

    Asked in a process of its own, because Metal starts threads and keeps memory that an agent has no use for.
    """
    try:
        said = subprocess.run(
            (sys.executable, "-m", __name__), capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = said.stdout.strip()
    return Bytes(int(text)) if said.returncode == 0 and text.isdigit() and int(text) else None


def _ask_device() -> int:
    """The value from Metal itself; 0 without a device. Raises OSError where there is no Metal."""
    # Without CoreGraphics in the process, a program without windows is given no device.
    ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    metal = ctypes.CDLL("/System/Library/Frameworks/Metal.framework/Metal")
    objc = ctypes.CDLL("/usr/lib/libobjc.A.dylib")
    metal.MTLCreateSystemDefaultDevice.restype = ctypes.c_void_p
    device = metal.MTLCreateSystemDefaultDevice()
    if not device:
        return 0
    objc.sel_registerName.restype, objc.sel_registerName.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    objc.objc_msgSend.restype, objc.objc_msgSend.argtypes = ctypes.c_uint64, (ctypes.c_void_p, ctypes.c_void_p)
    return int(objc.objc_msgSend(device, objc.sel_registerName(b"recommendedMaxWorkingSetSize")))


if __name__ == "__main__":
    print(_ask_device())  # noqa: T201
