"""Was it Linux that killed a run, because memory ran out? A SIGKILL alone does not say who sent it.

The kernel counts its kills since boot in `/proc/vmstat`, those within control groups too. A run that was killed while
that number grew ran out of memory; elsewhere, and when the number stays, nobody can tell.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from shared.errors import OutOfMemory, Problem
from workers.process import Diagnose

_VMSTAT = Path("/proc/vmstat")


def kills() -> int | None:
    """Processes that the kernel has killed for their memory since boot; `None` where it does not say."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def aware_of_kills(diagnose: Diagnose, count: Callable[[], int | None] = kills) -> Diagnose:
    """`diagnose`, which from now on knows a kill for memory when it sees one. Call it before the process starts."""
    before = count()

    def told(exit_code: int | None, tail: str) -> Problem:
        problem = diagnose(exit_code, tail)
        now = count()
        if exit_code != -signal.SIGKILL or before is None or now is None or now <= before:
            return problem
        return OutOfMemory(
            "The run ran out of memory",
            "Linux killed its process, as the host or the control group had none left",
            "lower context or slots, stop other runs, or take a smaller quantisation",
            **problem.details,
        ).problem

    return told
