"""How many threads an engine should compute with."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil


def fast_cores() -> int:
    """Physical cores this process may use; on Apple silicon only the performance cores, which set the pace."""
    if sys.platform == "darwin":
        return _performance_cores() or psutil.cpu_count(logical=False) or 1
    usable = len(os.sched_getaffinity(0))
    return max(min(psutil.cpu_count(logical=False) or usable, usable), 1)


def _performance_cores() -> int:
    answer = subprocess.run(
        ("/usr/sbin/sysctl", "-n", "hw.perflevel0.physicalcpu"), capture_output=True, text=True, check=False
    )
    return int(answer.stdout) if answer.returncode == 0 else 0
