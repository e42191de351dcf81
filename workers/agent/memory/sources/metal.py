"""How much memory the GPU recommends to use, read from the device: no table of machines has it right for long."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Callable

from shared.units import Bytes

#: Seconds to wait for it; the agent does nothing else meanwhile, and a lease is twice as long.
_PATIENCE = 5.0
#: Seconds after which a device that did not answer is asked again.
_AGAIN = 60.0
#: The least part of the memory that any macOS was seen to recommend; taken only until the device has answered.
_LEAST = 2 / 3


class Recommendation:
    """`recommendedMaxWorkingSetSize` of the GPU; once it has answered, it says the same until the next boot."""

    def __init__(self, ask: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        """`ask` gives bytes, 0 without a GPU, `None` when nothing answered."""
        self._ask, self._clock = ask, clock
        self._answer: int | None = None
        self._due = 0.0

    def of(self, total: Bytes) -> Bytes | None:
        """Bytes of a machine with `total` memory that its GPU may wire; `None` without a GPU."""
        if self._answer is None and self._clock() >= self._due:
            self._answer = self._ask()
            self._due = self._clock() + _AGAIN
        if self._answer is None:
            return Bytes(int(total * _LEAST))
        return Bytes(self._answer) if self._answer else None


def ask_in_a_child() -> int | None:
    """What the device says. In a process of its own: Metal starts threads and keeps memory that an agent can spare."""
    try:
        said = subprocess.run(
            (sys.executable, "-m", __name__), capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = said.stdout.strip()
    return int(text) if said.returncode == 0 and text.isdigit() else None


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
