"""Waiting for what will happen, with a deadline; and how long is soon on a busy machine."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path


def eventually(condition: Callable[[], object], within: float = 30.0, rarest: float = 0.005) -> None:
    """Return as soon as `condition` holds; fail when it does not within that many seconds of a machine's own time.

    Where more wants to run than there are cores, they take as much longer, and between two looks a second at most is
    counted, as the machine may have stood still: a deadline is for what never happens.
    The condition is asked every 5 ms at first; the longer it takes the more rarely, down to every `rarest` seconds.
    """
    looked, waited, pause = time.monotonic(), 0.0, 0.005
    while not condition():
        before, looked = looked, time.monotonic()
        waited += min(looked - before, 1.0)
        assert waited < within or waited < within * _load(), f"did not happen within {waited:.1f} s"
        time.sleep(pause)
        pause = min(pause * 1.2, rarest)


def soon(seconds: float) -> float:
    """What takes `seconds` on a quiet machine may take this long here: doubled, and more by the load of each core.

    Tests that say "at once" prove that nothing waits for a time-out; how fast exactly is for the benchmarks to say.
    """
    return seconds * (2.0 + _load())


def _load() -> float:
    """Of each core, over the last minute: 1 and less is a machine with nothing else to do."""
    return os.getloadavg()[0] / _cores()


@cache
def _cores() -> float:
    """What this process may use: in a container often less than the machine has."""
    of_process = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(of_process, _allowed(Path("/sys/fs/cgroup/cpu.max")))


def _allowed(quota: Path) -> float:
    """Cores by the quota of a control group; infinite where there is none."""
    try:
        most, period = quota.read_text().split()
    except OSError:
        return math.inf
    return math.inf if most == "max" else int(most) / int(period)
