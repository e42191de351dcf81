"""Recordings made for tests."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path


def tone(path: Path, seconds: float, loudness: int = 8000) -> str:
    """A hum of 440 Hz in stereo at 44.1 kHz; the file's name."""
    period = [int(loudness * math.sin(2 * math.pi * 440 * n / 44_100)) for n in range(44_100)]
    second = array("h", [sample for sample in period for _ in range(2)]).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        whole = int(seconds)
        file.writeframes(second * whole + second[: int((seconds - whole) * 44_100) * 4])
    return path.name
