"""Parts that outlived their supervisor, ended before new ones start."""

from __future__ import annotations

import contextlib

import psutil

from cli.up.record import UpRecord

#: Seconds that they have to end by themselves: they noticed, and are stopping with grace.
_PATIENCE = 10.0


def end_orphans(record: UpRecord | None) -> list[str]:
    """Stop what an earlier `up` left, politely and then by force; the names of what was found."""
    if record is None:
        return []
    found = {name: process for name, pid in record.parts.items() if (process := pid.process())}
    for process in found.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(list(found.values()), timeout=_PATIENCE)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_PATIENCE)
    return sorted(found)
